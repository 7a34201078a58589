"""Bytes that nobody meant, at the decoders: they answer or refuse, and the decoder of columns says what the codec says.

``python -m benchmarks.fuzz --seconds 600`` steers by coverage where atheris is installed, and mutates by a seed where it is not. It
exits 1 at the first crash, and prints the bytes.
"""

import argparse
import json
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from science.columns.events import UNITS
from streams.codec import Codec, Unreadable
from streams.columns import ColumnDecoder
from streams.records import DeadLetter, SessionMetrics, TraitProfile
from streams.schemas import Registry

CODEC, COLUMNS, REGISTRY = Codec(), ColumnDecoder(), Registry.load()
KEY = b"s-1"
TIMES = {
    "event_id": "00000000-0000-7000-8000-000000000001",
    "sent_time_ms": 1_790_000_000_000,
    "received_time_ms": 1_790_000_000_000,
}
DIGEST_BYTES = COLUMNS.decode([], []).digest.shape[1]
seen: Counter[str] = Counter()


def seeds() -> list[bytes]:
    """One event of every kind, in both frames, and one of every record."""
    found = []
    for entry in sorted(
        (files("schemas") / "avro" / "examples").iterdir(), key=lambda entry: str(entry.name)
    ):
        kind = entry.name.removesuffix(".json")
        fields = json.loads(entry.read_text(encoding="utf-8")) | {"session_id": KEY.decode()} | TIMES
        fields = {name: value for name, value in fields.items() if name != "kind"}
        if fields.get("subject_cipher"):
            fields["subject_cipher"] = b"cipher"
        value = CODEC.encode(kind, fields)
        number = next(schema.number for schema in REGISTRY.schemas if schema.fingerprint == value[2:10])
        found += [value, b"\0" + number.to_bytes(4, "big") + value[10:]]
    place = {"partition": 3, "last_offset": 9, "engine_version": "0", "records_digest": "0" * 64}
    records = [
        SessionMetrics(session_id="s-1", measures=b"{}", first_offset=1, **place),
        TraitProfile(session_id="s-1", mapping="m@1.0.0", profile=b"{}", profile_digest="0" * 64, **place),
        DeadLetter(
            **{f"source_{name}": value for name, value in (("topic", "t"), ("partition", 1), ("offset", 2))},
            **dict.fromkeys(("key", "value"), b"x"),
            **dict.fromkeys(("code", "pointer", "message", "suggestion", "stage", "engine_version"), "x"),
        ),
    ]
    return found + [CODEC.encode_record(record) for record in records]


def answer(value: bytes) -> object:
    """What the decoder of events says of these bytes; anything but an event or a flaw is a crash."""
    try:
        event = CODEC.decode(value)
    except Unreadable as refused:
        return refused.flaw.code
    assert CODEC.encode(*CODEC.fields(value)) == value or value[:1] == b"\0", "what is read is written again"
    return event


def answer_of_record(value: bytes) -> str | None:
    """The same of the decoder of records: None for a record."""
    try:
        record = CODEC.decode_record(value)
    except Unreadable as refused:
        return refused.flaw.code
    assert CODEC.encode_record(record) == value or value[:1] == b"\0", "what is read is written again"
    return None


def try_all(value: bytes) -> None:
    """All decoders on one value. Raises AssertionError where two disagree, and whatever a decoder should not have raised."""
    event = answer(value)
    record = answer_of_record(value)
    assert "decoder_unexpected" not in {event, record}, "the codec was surprised"
    seen["a record" if record is None else event if isinstance(event, str) else "an event"] += 1
    found = COLUMNS.decode([KEY, KEY, KEY], [_ORDINARY, value, _ORDINARY])
    assert found.unit[0] == found.unit[2] >= 0, "a neighbour is not touched"
    if found.unit[1] < 0:
        return
    seen["taken by columns"] += 1
    assert not isinstance(event, str), f"columns take what the codec refuses: {event}"
    kind = UNITS[int(found.unit[1])]
    assert isinstance(event.payload, kind)  # type: ignore[attr-defined]
    assert (event.session_id.encode(), event.seq, event.t_us) == (KEY, found.seq[1], found.t_us[1])  # type: ignore[attr-defined]
    assert event.digest[:DIGEST_BYTES] == found.digest[1].tobytes()  # type: ignore[attr-defined]
    _compare(event, found.fields[1], found.words)


def _compare(event: object, row: "np.ndarray", words: list[str]) -> None:  # type: ignore[type-arg]
    """The payload's values, as the columns have them: texts by their words, None as -1."""
    payload = event.payload  # type: ignore[attr-defined]
    for place, name in enumerate(payload.__struct_fields__):
        value, column = getattr(payload, name), int(row[place])
        if value is None:
            assert column == -1, name
        elif isinstance(value, str):
            assert words[column] == value, name
        else:
            assert int(value) == column, name


def mutated(value: bytes, chance: random.Random) -> bytes:
    """A few small faults."""
    data = bytearray(value)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(6):
            case 0 if data:
                data[at % len(data)] ^= 1 << chance.randrange(8)
            case 1 if data:
                data[at % len(data)] = chance.choice((0, 1, 2, 0x7F, 0x80, 0xFF, chance.randrange(256)))
            case 2:
                del data[at : at + chance.randrange(1, 9)]
            case 3:
                data[at:at] = chance.randbytes(chance.randrange(1, 9))
            case 4:
                data[at:at] = bytes([0x80 | chance.randrange(128)]) * chance.randrange(1, 11)
            case _:
                data[at:] = data[at:][: chance.randrange(1, 200)]
    return bytes(data)


def fuzz_by_seed(seconds: int, seed: int) -> None:
    """Without atheris: mutations of the seeds until the time is over."""
    chance, corpus, ends = random.Random(seed), seeds(), time.monotonic() + seconds
    while time.monotonic() < ends:
        value = mutated(chance.choice(corpus), chance)
        try:
            try_all(value)
        except Exception:
            print(f"crash: {value.hex()}", file=sys.stderr)
            raise


def fuzz_by_coverage(seconds: int, seed: int) -> None:
    """With atheris: libFuzzer decides what to try. It ends the process by itself."""
    import atheris  # noqa: PLC0415

    for function in (Codec.decode, Codec.decode_record, Codec._read_event, Codec._opened):  # noqa: SLF001
        setattr(Codec, function.__name__, atheris.instrument_func(function))
    for name in ("_read", "_check_canonical", "_value"):
        module = sys.modules["streams.codec"]
        setattr(module, name, atheris.instrument_func(getattr(module, name)))
    # Not _value: atheris leaks what it compares of numpy.
    for name in ("_read", "_session", "_field", "_texts", "_word", "_keep"):
        module = sys.modules["streams.columns"]
        setattr(module, name, atheris.instrument_func(getattr(module, name)))
    chance, mine = random.Random(seed), seeds()

    def custom(data: bytes, size_max: int, mutation_seed: int) -> bytes:
        """Half by libFuzzer, half by ours from a whole seed, which keeps the frame."""
        chance.seed(mutation_seed)
        if chance.random() < 0.5:
            return mutated(chance.choice(mine), chance)[:size_max]
        changed: bytes = atheris.Mutate(data, size_max)
        return changed

    told, ends = False, time.monotonic() + seconds - 1

    def target(value: bytes) -> None:
        """Reported a second early: libFuzzer ends the process without asking Python."""
        nonlocal told
        try_all(value)
        if not told and time.monotonic() > ends:
            told = True
            report()

    with TemporaryDirectory() as folder:
        for number, value in enumerate(mine):
            (Path(folder) / str(number)).write_bytes(value)
        arguments = [
            sys.argv[0],
            f"-max_total_time={seconds}",
            f"-seed={seed}",
            "-max_len=512",
            "-print_final_stats=1",
            folder,
        ]
        atheris.Setup(arguments, target, custom_mutator=custom)
        atheris.Fuzz()


def report() -> None:
    """What was seen, by what became of it."""
    total = sum(count for name, count in seen.items() if name != "taken by columns")
    rss_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"tried": total, "rss_mb": rss_mb, **dict(seen.most_common())}), flush=True)


def main() -> None:
    """Fuzz for so long."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--without-atheris", action="store_true", help="mutations of our own alone")
    options = parser.parse_args()
    fuzz: Callable[[int, int], None] = fuzz_by_seed
    if not options.without_atheris:
        try:
            import atheris  # noqa: F401, PLC0415

            fuzz = fuzz_by_coverage
        except ImportError:
            print("atheris is not installed: mutations of our own", file=sys.stderr)
    fuzz(options.seconds, options.seed)
    if fuzz is fuzz_by_seed:
        report()


_ORDINARY = CODEC.encode(
    "balloon_risk.pumped",
    {
        **TIMES,
        "session_id": "s-1",
        "seq": 3,
        "t_us": 900,
        "onset_t_us": 400,
        "latency_us": 500,
        "i": 1,
        "k": 1,
    },
)

if __name__ == "__main__":
    main()
