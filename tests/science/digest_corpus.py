"""A child of test_reproducible.py: rebuilds the events of a file, infers every profile, prints one digest over all of them.

Run as ``python digest_corpus.py ROOT CORPUS``. A second line is a digest of this machine's libm, which shows that two
configurations really differ. A third says how many sessions went by columns, to the same bytes; none where there is no numpy.
"""

import json
import math
import sys
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, sys.argv[1])

import msgspec

from science.canonical import canonical
from science.event import Event
from science.games import GAMES
from science.mapping import Published, load, names
from science.measure import Measures, measure
from science.profile import infer
from science.session import Session
from science.vocabulary import KINDS

if HAS_NUMPY := find_spec("numpy") is not None:
    from science.columns.events import columns_of
    from science.columns.infer import infer_all
    from science.columns.measure import clean_measures, is_whole, measure_all

ALL_KINDS = {
    kind: payload
    for kinds in (KINDS, *(game.kinds for game in GAMES.values()))
    for kind, payload in kinds.items()
}


def quick(published: Published) -> Published:
    """A bootstrap of twenty replicates has the same steps as one of two thousand."""
    interval = published.mapping.interval
    interval = msgspec.structs.replace(interval, replicates=min(20, interval.replicates))
    return msgspec.structs.replace(
        published, mapping=msgspec.structs.replace(published.mapping, interval=interval)
    )


MAPPINGS = [quick(load(name)) for name in names()]


def rebuilt(fields: dict) -> Event:
    """An event from its JSON."""
    payload = msgspec.convert(fields.pop("payload"), ALL_KINDS[fields["kind"]])
    digests = {name: bytes.fromhex(fields.pop(name)) for name in ("digest", "schema_sha256")}
    return Event(payload=payload, **digests, **fields)


def sessions_of(path: str) -> list[Session]:
    """The sessions of the file, in order."""
    sessions = []
    for events in json.loads(Path(path).read_text(encoding="utf-8")):
        sessions.append(Session(events[0]["session_id"]))
        for fields in events:
            sessions[-1].step(rebuilt(fields))
    return sessions


def profiles_of(measures: Measures) -> list[bytes]:
    """By every published mapping."""
    found = []
    for published in MAPPINGS:
        profile = infer(measures, published)
        assert profile.canonical() == canonical(profile), "no float, and no key but strings"
        found.append(profile.canonical())
    return found


def by_columns(sessions: list[Session], measures: list[Measures], profiles: list[list[bytes]]) -> int:
    """How many go by columns. Measures and profiles are those of one by one."""
    if not HAS_NUMPY:
        return 0
    assert measure_all(sessions) == measures
    for place, published in enumerate(MAPPINGS):
        if published.mapping.interval.method != "bca":  # its replicates are drawn one by one
            found = [one.canonical() for one in infer_all(measures, published)]
            assert found == [of_session[place] for of_session in profiles]
    whole = [session for session in sessions if is_whole(session)]
    return sum(one is not None for one in clean_measures(columns_of(whole)))


def libm_digest() -> str:
    """SHA-256 over what libm says of some thousand numbers."""
    hasher = sha256()
    for k in range(1, 20_000):
        x = k * 0.000_731
        hasher.update(f"{math.log(x).hex()} {math.exp(-x).hex()} {math.pow(x, 1.37).hex()}".encode())
    return hasher.hexdigest()


if __name__ == "__main__":
    corpus = sessions_of(sys.argv[2])
    every = [measure(session) for session in corpus]
    inferred = [profiles_of(measures) for measures in every]
    # of the measures and profiles of every session, in order
    print(
        sha256(
            b"".join(b"".join([canonical(one), *of]) for one, of in zip(every, inferred, strict=True))
        ).hexdigest()
    )
    print(libm_digest())
    print(by_columns(corpus, every, inferred))
