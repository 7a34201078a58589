"""Every kind of event: of the session's frame, and of every game."""

from collections.abc import Mapping, Sequence
from typing import get_type_hints

from science import vocabulary
from science.event import Payload
from science.fields import Field
from science.games import GAMES

KINDS: dict[str, type[Payload]] = {
    **vocabulary.KINDS,
    **{kind: value for game in GAMES.values() for kind, value in game.kinds.items()},
}

_ENVELOPE = ("session_id", "seq", "t_us", "device_time_ms")
_TYPES = {"long": int, "string": str, "enum": str, "boolean": bool, "bytes": bytes}


def mismatches(kinds: Mapping[str, type[Payload]], schemas: Mapping[str, tuple[Field, ...]]) -> list[str]:
    """Where kinds and the newest schemas of that name do not hold the same fields, in the same order, of the same types.

    To be known before a schema is published: afterwards only a new version mends it.
    """
    found = [f"the kind {kind} has no schema" for kind in sorted(kinds.keys() - schemas.keys())]
    found += [f"the schema {kind} is of no kind" for kind in sorted(schemas.keys() - kinds.keys())]
    for kind in sorted(kinds.keys() & schemas.keys()):
        hints = get_type_hints(kinds[kind])
        ours = [(name, hints[name]) for name in kinds[kind].__struct_fields__]
        theirs = [
            (field.name, _TYPES[field.type] | None if field.nullable else _TYPES[field.type])
            for field in schemas[kind]
            if not field.transport and field.name not in _ENVELOPE
        ]
        if ours != theirs:
            found.append(f"the kind {kind} holds {_shown(ours)}; its schema {_shown(theirs)}")
    return found


def _shown(fields: Sequence[tuple[str, object]]) -> str:
    return ", ".join(f"{name}: {getattr(hint, '__name__', hint)}" for name, hint in fields) or "nothing"
