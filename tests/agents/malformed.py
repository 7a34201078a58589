"""Messages that are wrong, a family a function, each with the code that it must get."""

import json
import random
from collections.abc import Callable

from streams.records import DeadLetter
from tests.agents.doors import CODEC, started
from tests.agents.test_event_logger import PUMPED, TIMES, started_in_bytes, wire
from tests.agents.test_seed_form import pump
from tests.streams.examples import REGISTRY, raw

Bad = tuple[bytes, bytes, str]  # key, value, and the code that it must get

NUMBERS = ("seq", "t_us", "onset_t_us", "latency_us", "i", "k")
LIMITS = {"seq": 65_535, "t_us": 86_400_000_000, "i": 10_000, "k": 1_000}
REQUIRED = ("kind", "session_id", *NUMBERS)
FULL = {**PUMPED, **TIMES}
AVRO = CODEC.encode("balloon_risk.pumped", {name: value for name, value in FULL.items() if name != "kind"})
NUMBER = next(schema.number for schema in REGISTRY.schemas if schema.fingerprint == AVRO[2:10])
CONFLUENT = b"\0" + NUMBER.to_bytes(4, "big") + AVRO[10:]
LETTER = CODEC.encode_record(
    DeadLetter(
        source_topic="t",
        source_partition=0,
        source_offset=0,
        key=b"k",
        value=b"v",
        code="c",
        pointer="",
        message="m",
        suggestion="s",
        stage="x",
        engine_version="0",
    )
)


def flat(event: object, key: bytes = b"s-1") -> tuple[bytes, bytes]:
    return key, json.dumps(event).encode()


def avro(kind: str = "balloon_risk.pumped", **changes: object) -> bytes:
    """Bytes of a writer that checks nothing."""
    fields = {name: value for name, value in FULL.items() if name != "kind"}
    return raw(kind, {**fields, "device_time_ms": None, **changes})


def words(chance: random.Random, most: int = 12) -> str:
    return "".join(chance.choice("abcdefghijklmnop") for _ in range(chance.randint(1, most)))


def wrong_type(chance: random.Random) -> Bad:
    value = chance.choice(["1", "", True, False, 1.0, 0.5, None, [], [1], {}, {"a": [1]}])
    return *flat({**PUMPED, chance.choice(NUMBERS): value}), "wrong_type"


def no_object(chance: random.Random) -> Bad:
    value = chance.choice([[], [PUMPED], "balloon_risk.pumped", 5, 5.5, True, None, [[[[]]]]])
    return *flat(value), "wrong_type"


def out_of_range(chance: random.Random) -> Bad:
    name = chance.choice(list(LIMITS))
    above = LIMITS[name] + chance.choice((1, 2, 10**6, 2**63, 10**300))
    return *flat({**PUMPED, name: chance.choice((-1 - chance.randrange(10**12), above))}), "out_of_range"


def inconsistent(chance: random.Random) -> Bad:
    return *flat({**PUMPED, "latency_us": 500 + chance.randint(1, 10**6)}), "inconsistent"


def missing(chance: random.Random) -> Bad:
    gone = chance.choice(REQUIRED)
    return *flat({name: value for name, value in PUMPED.items() if name != gone}), "missing_field"


def unknown_field(chance: random.Random) -> Bad:
    return *flat({**PUMPED, f"{words(chance)}_{words(chance)}": chance.randrange(9)}), "unknown_field"


def unknown_kind(chance: random.Random) -> Bad:
    kind = chance.choice(
        ["session.abandoned", "session.withdrawn", "dead_letter", f"balloon_risk.{words(chance)}"]
    )
    return *flat({**PUMPED, "kind": kind}), "unknown_kind"


def bad_session(chance: random.Random) -> Bad:
    session = chance.choice(["", " ", "s 1", "-s", "é" * 9, "a" * 65, "\x00", "../s", "s\n"]) + " "
    return *flat({**PUMPED, "session_id": session}, session.encode()), "bad_pattern" if len(
        session
    ) <= 64 else "out_of_range"


def another_key(chance: random.Random) -> Bad:
    key = chance.choice([b"", b"S-1", b"s-1 ", b"s-1\0", b"\xff\xfe", chance.randbytes(8), b"x" * 70_000])
    if chance.random() < 0.5:
        return key, chance.choice((AVRO, CONFLUENT)), "key_mismatch"
    return *flat(chance.choice((PUMPED, pump(1, session="s-1"))), key), "key_mismatch"


def no_consent(chance: random.Random) -> Bad:
    basis = chance.choice([None, "", " ", "\t\n"])
    return *flat(started(consent_basis=basis)), "consent_missing"


def a_name(chance: random.Random) -> Bad:
    name = f"{words(chance)}.{words(chance)}"
    plain = {"participant_ref": None, "subject_id": name}
    if chance.random() < 0.5:
        return b"s-1", started_in_bytes(subject_id=name), "bad_pattern"
    return *flat(started(**plain)), "bad_pattern"


def oversize(chance: random.Random) -> Bad:
    size_bytes = chance.choice((65_537, 70_000, 200_000))
    value = {
        0: lambda: json.dumps({**PUMPED, "mood": "x" * size_bytes}).encode(),
        1: lambda: AVRO + bytes(size_bytes),
        2: lambda: CONFLUENT + bytes(size_bytes),
        3: lambda: b"[" * size_bytes,
        4: lambda: b" " * size_bytes + b"{}",
    }[chance.randrange(5)]()
    return b"s-1", value, "oversize"


def bomb(chance: random.Random) -> Bad:
    depth = chance.randint(5_000, 8_000)
    value = chance.choice(
        [
            b"[" * depth,
            b"[" * depth + b"]" * depth,
            b'{"a":' * depth + b"1" + b"}" * depth,
            b'{"kind":"session.started","session_id":"s-1","protocol":' + b"[" * depth + b"]" * depth + b"}",
        ]
    )
    return b"s-1", value, "malformed"


def huge_number(chance: random.Random) -> Bad:
    digits = chance.choice((b"9" * chance.randint(4_400, 20_000), b"1e999", b"-1e400", b"1" * 6_000 + b".0"))
    return b"s-1", json.dumps(PUMPED).encode().replace(b'"k": 1', b'"k": ' + digits), "malformed"


def no_json(chance: random.Random) -> Bad:
    text = json.dumps(PUMPED).encode()
    value = chance.choice(
        [
            b"",
            text[: chance.randrange(1, len(text))],
            text + b"}",
            text.replace(b'"', b"'"),
            text.replace(b"s-1", chance.choice((b"\xff", b"\xc3(", b"\xed\xa0\x80", b"\\ud800"))),
            text.replace(b": 1", b": NaN"),
            b"\xef\xbb\xbf" + text,
            text.decode().encode("utf-16"),
            b"kind=balloon_risk.pumped",
        ]
    )
    return b"s-1", value, "malformed"


def no_frame(chance: random.Random) -> Bad:
    value = chance.choice(
        [b"\xc3", b"\xc3\x01", b"\xc3\x02" + AVRO[2:], AVRO[: chance.randrange(1, 10)], b"\0\0\0"]
    )
    return b"s-1", value, "malformed"


def random_bytes(chance: random.Random) -> Bad:
    first = chance.choice(
        [byte for byte in range(256) if byte not in {0, 0xC3, *b' \t\r\n"-0123456789[{tfn'}]
    )
    return b"s-1", bytes([first]) + chance.randbytes(chance.randrange(400)), "malformed"


def cut_short(chance: random.Random) -> Bad:
    value = chance.choice((AVRO, CONFLUENT, wire("session.paused"), started_in_bytes(subject_id="0f" * 16)))
    return b"s-1", value[: chance.randrange(10, len(value))], "malformed"


def a_text_that_is_none(chance: random.Random) -> Bad:
    value = chance.choice((AVRO, CONFLUENT)).replace(
        b"\x06s-1", b"\x06s" + bytes([chance.randrange(0x80, 0xC0)]) * 2
    )
    return b"s-1", value, "malformed"


def trailing(chance: random.Random) -> Bad:
    value = chance.choice((AVRO, CONFLUENT, started_in_bytes(subject_id="0f" * 16)))
    return b"s-1", value + chance.randbytes(chance.randint(1, 50)), "trailing_bytes"


def unknown_schema(chance: random.Random) -> Bad:
    value = chance.choice(
        (
            b"\xc3\x01" + chance.randbytes(8) + AVRO[10:],
            b"\0" + chance.randint(10**6, 2**32 - 1).to_bytes(4, "big") + AVRO[10:],
        )
    )
    return b"s-1", value, "unknown_schema"


def not_canonical(chance: random.Random) -> Bad:
    """The last number with bytes that add nothing."""
    value = chance.choice((AVRO, CONFLUENT))
    longer = bytes([value[-1] | 0x80]) + b"\x80" * chance.randrange(6) + b"\0"
    return b"s-1", value[:-1] + longer, "not_canonical"


def out_of_range_in_bytes(chance: random.Random) -> Bad:
    name = chance.choice(list(LIMITS))
    value = (
        LIMITS[name] + chance.choice((1, 5, 10**6)) if chance.random() < 0.5 else -chance.randint(1, 10**6)
    )
    return b"s-1", avro(**{name: value}), "out_of_range"


def inconsistent_in_bytes(chance: random.Random) -> Bad:
    return b"s-1", avro(latency_us=500 + chance.randint(1, 10**6)), "inconsistent"


def of_the_house(chance: random.Random) -> Bad:
    abandoned = CODEC.encode("session.abandoned", {**TIMES, "session_id": "s-1", "reason": "gaps"})
    return b"s-1", chance.choice((abandoned, LETTER)), "unknown_kind"


def of_the_seed(chance: random.Random) -> Bad:
    event = pump(1, session="s-1")
    data = event["event_data"]
    assert isinstance(data, dict)
    bad, code = chance.choice(
        [
            ({**event, "event_type": words(chance)}, "unknown_kind"),
            ({**event, "event_data": [1]}, "wrong_type"),
            ({**event, "event_data": {**data, "pump_number": "1"}}, "wrong_type"),
            ({**event, "event_data": {**data, "pump_number": 0}}, "out_of_range"),
            ({**event, "event_data": {**data, "timestamp_milliseconds": 10**30}}, "out_of_range"),
            ({**event, "event_data": {**data, words(chance) + "_": 1}}, "unknown_field"),
            ({**event, "event_data": {}}, "missing_field"),
            ({**event, "mood": 1}, "unknown_field"),
            ({"session_id": "s-1", "event_type": "session_end", "event_data": {}}, "inconsistent"),
        ]
    )
    return *flat(bad), code


FAMILIES: tuple[Callable[[random.Random], Bad], ...] = (
    wrong_type,
    no_object,
    out_of_range,
    inconsistent,
    missing,
    unknown_field,
    unknown_kind,
    bad_session,
    another_key,
    no_consent,
    a_name,
    oversize,
    bomb,
    huge_number,
    no_json,
    no_frame,
    random_bytes,
    cut_short,
    a_text_that_is_none,
    trailing,
    unknown_schema,
    not_canonical,
    out_of_range_in_bytes,
    inconsistent_in_bytes,
    of_the_house,
    of_the_seed,
)
