"""Events by columns say what the codec says, record for record, or leave the record to it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from science.columns.events import UNITS
from science.kinds import KINDS
from streams.codec import Unreadable
from streams.columns import ColumnDecoder
from streams.digests import Digests
from tests.streams.examples import CODEC, EXAMPLES, GAMES, agreeing, records_of

COLUMNS = ColumnDecoder()
DIGESTS = Digests(COLUMNS)
BY_COLUMNS = sorted(kind for kind in GAMES if KINDS.get(kind) in UNITS)
PRESSED = BY_COLUMNS[0]


def value_of(kind: str, fields: dict[str, object]) -> bytes:
    return CODEC.encode(kind, {name: value for name, value in fields.items() if name != "kind"})


def is_read(value: bytes) -> bool:
    try:
        CODEC.decode(value)
    except Unreadable:
        return False
    return True


@pytest.mark.parametrize("kind", BY_COLUMNS)
@given(data=st.data())
def test_what_columns_take_is_what_the_codec_reads(kind: str, data: st.DataObject) -> None:
    fields = agreeing(data.draw(records_of(GAMES[kind])))
    value, key = value_of(kind, fields), str(fields["session_id"]).encode()
    event = CODEC.decode(value)
    found = COLUMNS.decode([key, b"another"], [value, value])
    assert UNITS[int(found.unit[0])] is KINDS[kind]
    assert found.unit[1] == -1, "the key of another session"
    assert (found.seq[0], found.t_us[0]) == (event.seq, event.t_us)
    assert event.digest.startswith(found.digest[0].tobytes())
    frame = {name: getattr(found, name)[:1] for name in ("seq", "t_us", "device_time_ms")}
    again = DIGESTS.of([key], found.schema[:1], frame, found.fields[:1], found.words)
    assert again.tobytes() == found.digest[0].tobytes(), "what the columns say is all that the digest covers"
    for place, name in enumerate(event.payload.__struct_fields__):
        told, column = getattr(event.payload, name), int(found.fields[0, place])
        assert (
            column == -1
            if told is None
            else (found.words[column] if isinstance(told, str) else column) == told
        )


def test_every_character_of_a_uuid_is_looked_at() -> None:
    value, key = value_of(PRESSED, EXAMPLES[PRESSED]), EXAMPLES[PRESSED]["session_id"].encode()
    event_id = EXAMPLES[PRESSED]["event_id"].encode()
    at = value.index(event_id)
    changed = [
        value[:place] + bytes([byte]) + value[place + 1 :]
        for place in range(at, at + len(event_id))
        for byte in range(256)
    ]
    by_columns = (COLUMNS.decode([key] * len(changed), changed).unit >= 0).tolist()
    assert by_columns == [is_read(one) for one in changed]
    assert sum(by_columns) == 32 * 16 + 4
