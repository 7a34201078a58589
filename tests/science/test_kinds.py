"""Kinds and schemas are compared before a schema is published: afterwards only a new version mends it."""

from science.event import Payload
from science.fields import Field
from science.kinds import mismatches


class Seen(Payload, frozen=True):
    """A kind as the science has it."""

    i: int
    word: str | None


ENVELOPE = (
    Field(name="event_id", type="string", doc="d", transport=True),
    *(Field(name=name, type="long", doc="d") for name in ("session_id", "seq", "t_us", "device_time_ms")),
)
NUMBER = Field(name="i", type="long", doc="d")
WORD = Field(name="word", type="enum", doc="d", nullable=True)


def found(*fields: Field, kind: str = "g.seen") -> list[str]:
    """Against a schema of the envelope and these fields."""
    return mismatches({"g.seen": Seen}, {kind: (*ENVELOPE, *fields)})


def test_a_kind_and_its_schema_hold_the_same() -> None:
    """The envelope is the wire's alone; an enum is a text, and what may be null may be None."""
    assert found(NUMBER, WORD) == []


def test_a_kind_without_a_schema_and_a_schema_without_a_kind_are_found() -> None:
    """The one cannot be sent, the other cannot be scored."""
    assert found(NUMBER, WORD, kind="g.sene") == [
        "the kind g.seen has no schema",
        "the schema g.sene is of no kind",
    ]


def test_other_fields_are_found() -> None:
    """Another order, another type, a null more or less, a field too few: each is told with both sides."""
    ours = "the kind g.seen holds i: int, word: str | None; its schema "
    assert found(WORD, NUMBER) == [f"{ours}word: str | None, i: int"]
    boolean = Field(name="i", type="boolean", doc="d")
    assert found(boolean, WORD) == [f"{ours}i: bool, word: str | None"]
    never = Field(name="word", type="string", doc="d")
    assert found(NUMBER, never) == [f"{ours}i: int, word: str"]
    assert found() == [f"{ours}nothing"]
