"""What a record and each of its fields must be: a check a field, made once from its schema. A refusal is a ``Flaw``, never a guess."""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from science.canonical import canonical, encoded
from science.event import Payload
from science.fields import Field

_SHOWN_MAX = 100
_JSON_DEPTH_MAX = 64  # far below any C or Python stack, so that a verdict never depends on who is calling
_JSON_INTEGER_MAX = 9_007_199_254_740_991  # 2**53 - 1: beyond it a browser rounds (RFC 8785, 3.2.2.3)
_NUMBERS = re.compile(r"[0-9]{16}|[0-9][.eE]")
_WHOLE = {  # names end with their unit
    "us": "whole microseconds",
    "ms": "whole milliseconds",
    "milliseconds": "whole milliseconds",
    "c": "whole cents",
}


class Flaw(msgspec.Struct, frozen=True):
    """What is wrong, where (a JSON pointer; empty for the whole), observed and allowed, and what to do."""

    code: str
    pointer: str
    message: str
    suggestion: str


Check = Callable[[object], Flaw | None]


class Shape(msgspec.Struct, frozen=True):
    """What may stand in a record: the check of each field by its name, in order, and the names that may not be missing."""

    title: str
    checks: Mapping[str, Check]
    required: tuple[str, ...]

    def flaw(self, record: Mapping[str, object]) -> Flaw | None:
        """The first thing that is wrong with the record, or None: its names before its values."""
        for name in record:
            if name not in self.checks:
                return self._unknown(name)
        for name in self.required:
            if name not in record:
                return Flaw(
                    "missing_field",
                    pointer_to(name),
                    f"{name} is missing",
                    f"send {name}; it may not be null",
                )
        return self.flaw_of_values(record)

    def flaw_of_values(self, record: Mapping[str, object]) -> Flaw | None:
        """The first value that is wrong, or None, of a record whose names are known to be right."""
        for name, check in self.checks.items():
            if name in record and (flaw := check(record[name])) is not None:
                return flaw
        return None

    def _unknown(self, name: object) -> Flaw:
        name = name if isinstance(name, str) else shown(name)  # a caller's dict may have any keys
        meant = nearest(name, self.checks)
        known = f"it has: {', '.join(sorted(self.checks))}"
        return Flaw(
            "unknown_field",
            pointer_to(name),
            f"{self.title} has no field {shown(name)}",
            known if meant is None else f"did you mean {meant}? {known}",
        )


def shape_of(title: str, fields: Iterable[Field], *, required: Iterable[str] | None = None) -> Shape:
    """The shape of a record of these fields. What may not be null is required, unless ``required`` says otherwise."""
    fields = tuple(fields)
    if required is None:
        required = (field.name for field in fields if not field.nullable)
    return Shape(title, {field.name: check_of(field) for field in fields}, tuple(required))


def flaw_between(payload: Payload, record: Mapping[str, Any]) -> Flaw | None:
    """Two fields of one event that cannot both be true; ``record`` is the payload's, with the envelope or without."""
    wrong = payload.contradiction(record.get("seq"), record.get("t_us"))
    if wrong is None:
        return None
    suggestion = "send the two fields as they were measured together"
    return Flaw("inconsistent", pointer_to(wrong.field), wrong.message, suggestion)


def check_of(field: Field) -> Check:
    """The check of one field: types are exact, for Avro would write True as 1 and 1.9 as 1."""
    match field.type:
        case "long":
            check = _long_check(field)
        case "string":
            check = _string_check(field)
        case "bytes":
            check = _bytes_check(field)
        case "boolean":
            check = _boolean_check(field)
        case "enum":
            check = _enum_check(field)
        case other:
            raise TypeError(f"{field.name}: {other} has no check; kymograph schemas check says why")
    if not field.nullable:
        return check
    return lambda value: None if value is None else check(value)


def _long_check(field: Field) -> Check:
    low, high = field.minimum, field.maximum
    assert low is not None
    assert high is not None
    whole = _WHOLE.get(field.name.rpartition("_")[2], "a whole number")

    def check(value: object) -> Flaw | None:
        if type(value) is float:
            return _flaw("wrong_type", field, f"is {shown(value)}, allowed is an integer", f"send {whole}")
        if type(value) is not int:  # a bool is an int to Python, and never to us
            return _wrong_type(field, value, "an integer")
        if low <= value <= high:
            return None
        return _flaw(
            "out_of_range",
            field,
            f"is {shown(value)}, allowed is {low}..{high}",
            "send a value in this range",
        )

    return check


def _string_check(field: Field) -> Check:
    low, high = field.min_length or 0, field.max_length
    assert high is not None
    matches = re.compile(field.pattern).fullmatch if field.pattern is not None else None

    def check(value: object) -> Flaw | None:
        if type(value) is not str:
            return _wrong_type(field, value, "a string")
        if not low <= len(value) <= high:
            return _flaw(
                "out_of_range",
                field,
                f"has {len(value)} characters, allowed is {low}..{high}",
                "send a text of this length",
            )
        if matches is not None and matches(value) is None:
            return _flaw(
                "bad_pattern", field, f"is {shown(value)}, allowed is {field.pattern}", "send it in this form"
            )
        if not value.isascii() and not _is_unicode(value):
            return _flaw(
                "bad_pattern",
                field,
                "holds half a surrogate pair, which no UTF-8 can say",
                "send whole characters",
            )
        if field.canonical_json and (reason := _json_flaw(value)) is not None:
            return _flaw(
                "not_canonical",
                field,
                f"is no canonical JSON: {reason}",
                "send an object or list, keys sorted, without spaces, integers only",
            )
        return None

    return check


def _bytes_check(field: Field) -> Check:
    high = field.max_length
    assert high is not None

    def check(value: object) -> Flaw | None:
        if type(value) is not bytes:
            return _wrong_type(field, value, "bytes")
        if len(value) <= high:
            return None
        return _flaw(
            "out_of_range", field, f"has {len(value)} bytes, at most {high} are allowed", "send fewer"
        )

    return check


def _boolean_check(field: Field) -> Check:
    return lambda value: None if type(value) is bool else _wrong_type(field, value, "true or false")


def _enum_check(field: Field) -> Check:
    symbols = frozenset(field.symbols)

    def check(value: object) -> Flaw | None:
        if type(value) is not str:
            return _wrong_type(field, value, "a string")
        if value in symbols:
            return None
        return _flaw(
            "out_of_range",
            field,
            f"is {shown(value)}, allowed is {', '.join(field.symbols)}",
            "send one of these",
        )

    return check


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


@lru_cache(maxsize=256)  # fleets send the same protocols and configurations again and again
def _json_flaw(text: str) -> str | None:
    """Why the text is not its own canonical form (as RFC 8785, integers only), or None."""
    try:
        parsed = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        return str(error)[:_SHOWN_MAX]
    if not isinstance(parsed, dict | list):
        return "an object or a list must be at the top"
    if _is_simple(text) and encoded(parsed).decode() == text:
        return None
    level: list[object] = [parsed]
    for _ in range(_JSON_DEPTH_MAX):
        level = [child for node in level for child in _children(node)]
        for node in level:
            if isinstance(node, float):
                return f"{shown(node)} is not an integer"
            if isinstance(node, int) and abs(node) > _JSON_INTEGER_MAX:
                return f"the integer {shown(node)} is beyond 2^53 - 1"
    if any(isinstance(node, dict | list) for node in level):
        return f"it nests deeper than {_JSON_DEPTH_MAX}"
    written = canonical(parsed).decode()
    return None if written == text else f"it should begin {shown(written)}"


def _is_simple(text: str) -> bool:
    """Whether no number in it can be a float or large, and it cannot nest too deep."""
    return _NUMBERS.search(text) is None and text.count("[") + text.count("{") <= _JSON_DEPTH_MAX


def _children(node: object) -> Iterable[object]:
    if isinstance(node, dict):
        return node.values()
    return node if isinstance(node, list) else ()


def write_json(fields: Iterable[Field], record: dict[str, object]) -> Flaw | None:
    """Replace in the record each object and list by its canonical text, where the field holds that; a sender need not write it."""
    for field in fields:
        if field.canonical_json and isinstance(record.get(field.name), dict | list):
            try:
                record[field.name] = canonical(record[field.name]).decode()
            except (AssertionError, OverflowError, RecursionError, TypeError, ValueError) as error:
                message = f"cannot be written canonically: {error}"
                return _flaw("wrong_type", field, message, "use objects, lists, strings and integers")
    return None


def pointer_to(name: str) -> str:
    """The JSON pointer of a field of a flat record (RFC 6901), short and encodable whatever the name."""
    name = name[:_SHOWN_MAX].encode("utf-8", "backslashreplace").decode()[:_SHOWN_MAX]
    return "/" + name.replace("~", "~0").replace("/", "~1")


def shown(value: object) -> str:
    """A value for a message: short, and encodable whatever it holds."""
    if isinstance(value, int) and value.bit_length() > 64:
        return "an integer beyond 64 bits"  # Python refuses to print the largest
    text = repr(value)
    return text if len(text) <= _SHOWN_MAX else text[:_SHOWN_MAX] + "..."


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that this one is a misspelling of, if at most a third of its letters is wrong."""
    name = name[:_SHOWN_MAX]
    distance, best = min(((_edits(name, other), other) for other in known), default=(0, ""))
    return best if best and 3 * distance <= max(len(name), len(best)) else None


def _edits(a: str, b: str) -> int:
    """How many letters must be added, left out or replaced to make one text of the other (Levenshtein)."""
    row = list(range(len(b) + 1))
    for i, letter in enumerate(a, 1):
        above, row[0] = row[0], i
        for j, other in enumerate(b, 1):
            above, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, above + (letter != other))
    return row[-1]


def _flaw(code: str, field: Field, message: str, suggestion: str) -> Flaw:
    return Flaw(code, pointer_to(field.name), f"{field.name} {message}", suggestion)


def _wrong_type(field: Field, value: object, wanted: str) -> Flaw:
    allowed = f"{wanted} or null" if field.nullable else wanted
    return _flaw(
        "wrong_type", field, f"is of type {type(value).__name__}, allowed is {allowed}", f"send {allowed}"
    )
