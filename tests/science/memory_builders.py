"""Small games of memory cards, for every test that needs one.

``game_steps`` writes a game as (t_us, payload) pairs, which a test may cut, double or bend; ``played`` hands them to a play,
``rounds_of`` boils them down to the sample. Everything is a function of its arguments.
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from itertools import cycle
from random import Random

import msgspec

from science.canonical import canonical
from science.event import Event, Payload
from science.game import Metric
from science.games.memory_cards.influences import influences
from science.games.memory_cards.metrics import measure
from science.games.memory_cards.play import Config, MemoryPlay
from science.games.memory_cards.sample import Round, Turn, account, gather, sample
from science.games.memory_cards.vocabulary import (
    KINDS,
    CardFlipped,
    GameCompleted,
    GameStarted,
    RoundCompleted,
    RoundStarted,
    RoundTimedOut,
    TurnResolved,
)
from science.measure import Measures
from science.measure import measure as measure_session
from science.session import Session
from science.vocabulary import KINDS as FRAME_KINDS
from science.vocabulary import Completed, Started

Step = tuple[int, Payload]
Layout = list[str]
Pick = tuple[int, int]  # the two places of a turn
Player = Callable[[Layout, Random], list[Pick]]

LATENCIES_US = (630_000, 910_000, 480_000, 1_220_000, 750_000, 1_700_000, 595_000)
LOCKOUT_US = 1_000_000
FINISHED = GameCompleted("finished")


def config_of(*, n_pairs: int = 4, rounds: int = 1, rows: int = 2, lockout_us: int = LOCKOUT_US) -> str:
    """The configuration of memory cards as the protocol says it."""
    cols = 2 * n_pairs // rows
    config = {"cols": cols, "lockout_us": lockout_us, "n_pairs": n_pairs, "rounds": rounds, "rows": rows}
    return canonical(config).decode()


def dealt(n_pairs: int, rng: Random) -> Layout:
    """Cards in a random order."""
    return rng.sample([f"face {i // 2}" for i in range(2 * n_pairs)], 2 * n_pairs)


# --------------------------------------------------------------------------------------------------------- the players


def perfect(layout: Layout, rng: Random) -> list[Pick]:
    """Perfect memory, by the book: a known pair at once; else a new card, then its mate if that is known, else a new one."""
    unseen, known, picks = rng.sample(range(len(layout)), len(layout)), {}, []
    owed: list[Pick] = []
    while unseen or owed:
        if owed:
            picks.append(owed.pop())
            continue
        first = unseen.pop()
        if layout[first] in known:
            picks.append((first, known.pop(layout[first])))
            continue
        second = unseen.pop()
        picks.append((first, second))
        if layout[first] == layout[second]:
            continue
        known[layout[first]] = first
        if layout[second] in known:
            owed.append((known.pop(layout[second]), second))
        else:
            known[layout[second]] = second
    return picks


def blind(layout: Layout, rng: Random) -> list[Pick]:
    """No memory at all: two of the cards that are left, at random."""
    left, picks = list(range(len(layout))), []
    while left:
        first, second = rng.sample(left, 2)
        picks.append((first, second))
        if layout[first] == layout[second]:
            left = [pos for pos in left if pos not in {first, second}]
    return picks


def forgetful(layout: Layout, rng: Random, *, recall: float = 0.7) -> list[Pick]:
    """Someone ordinary: any card first, and its mate, if it was seen, with probability ``recall``."""
    left, seen, picks = list(range(len(layout))), set(), []
    while left:
        first = rng.choice(left)
        mate = next(pos for pos in left if pos != first and layout[pos] == layout[first])
        others = [pos for pos in left if pos != first]
        second = mate if mate in seen and rng.random() < recall else rng.choice(others)
        picks.append((first, second))
        seen |= {first, second}
        if second == mate:
            left = [pos for pos in left if pos not in {first, second}]
    return picks


# ------------------------------------------------------------------------------------------------------------ the steps


def round_steps(
    layout: Layout,
    picks: Sequence[Pick],
    *,
    r: int = 1,
    begin_us: int = 0,
    rows: int = 2,
    lockout_us: int = LOCKOUT_US,
    practice: bool = False,
    salt: str | None = None,
    outcome: str = "completed",
    waits: Iterable[int] = LATENCIES_US,
) -> list[Step]:
    """One round. With a ``salt`` the layout is committed to and revealed; ``outcome`` may be timed_out or unfinished."""
    text = canonical(layout).decode()
    commit = None if salt is None else sha256(f"{text}\n{salt}".encode()).hexdigest()
    shape = len(layout) // 2, rows, len(layout) // rows
    steps: list[Step] = [(begin_us, RoundStarted(r, *shape, lockout_us, commit, practice))]
    pace, t_us, onset_us = iter(cycle(waits)), begin_us, begin_us
    for turn, pick in enumerate(picks, 1):
        for flip, pos in enumerate(pick, 1):
            latency_us = next(pace)
            t_us = onset_us + latency_us
            place = {"r": r, "turn": turn, "flip": flip, "pos": pos, "face": layout[pos]}
            steps.append((t_us, CardFlipped(onset_t_us=onset_us, latency_us=latency_us, **place)))
            onset_us = t_us
        matched = layout[pick[0]] == layout[pick[1]]
        steps.append((t_us, TurnResolved(r, turn, matched)))
        onset_us = t_us if matched else t_us + lockout_us
    if outcome == "completed":
        revealed = (None, None) if salt is None else (text, salt)
        steps.append((t_us, RoundCompleted(r, len(picks), *revealed)))
    elif outcome == "timed_out":
        steps.append((t_us, RoundTimedOut(r)))
    else:
        assert outcome == "unfinished"
    return steps


def game_steps(
    n_pairs: int = 4,
    rounds: int = 1,
    *,
    player: Player = forgetful,
    seed: object = 0,
    waits: Iterable[int] = LATENCIES_US,
    config: str | None = None,
    **options: object,
) -> list[Step]:
    """One game; ``options`` are those of ``round_steps``."""
    rng, pace, t_us = Random(repr(seed)), iter(cycle(waits)), 0
    rows = options.get("rows", 2)
    lockout_us = options.get("lockout_us", LOCKOUT_US)
    text = config or config_of(n_pairs=n_pairs, rounds=rounds, rows=rows, lockout_us=lockout_us)
    steps: list[Step] = [(0, GameStarted(text))]
    for r in range(1, rounds + 1):
        layout = dealt(n_pairs, rng)
        t_us += 1_500_000
        steps += round_steps(layout, player(layout, rng), r=r, begin_us=t_us, waits=pace, **options)
        t_us = steps[-1][0]
    return [*steps, (t_us, FINISHED)]


# ------------------------------------------------------------------------------------------------------ what comes of it


def played(steps: Sequence[Step], *, torn: Iterable[int] = ()) -> MemoryPlay:
    """The play of these steps, of which some places are torn out."""
    first = steps[0][1]
    assert isinstance(first, GameStarted)
    play = MemoryPlay(msgspec.json.decode(first.config, type=Config))
    torn = set(torn)
    for seq, (t_us, payload) in enumerate(steps[1:], 1):
        if seq in torn:
            play.tear(seq)
        else:
            play.take(seq, t_us, payload)
    play.end(len(steps) - 1)
    return play


def codes_of(play: MemoryPlay) -> dict[str, int]:
    """The findings by code, with how often each came up."""
    return {found.code: sum(f.code == found.code for f in play.findings) for found in play.findings}


def rounds_of(steps: Sequence[Step]) -> list[Round]:
    """The sample of these steps."""
    return sample([played(steps)])


def metrics_of(steps: Sequence[Step]) -> dict[str, Metric]:
    """Every metric of these steps, by its name without the game."""
    return named(rounds_of(steps))


def named(rounds: Sequence[Round]) -> dict[str, Metric]:
    """Every metric of this sample, by its name without the game."""
    return {
        name.removeprefix("memory."): metric
        for name, metric in measure(gather([account(one) for one in rounds])).items()
    }


def influences_of(rounds: Sequence[Round]) -> dict[str, list[int]]:
    """The influence of each round of this sample, by the metric's name without the game."""
    found = influences(gather([account(one) for one in rounds]))
    return {name.removeprefix("memory."): values for name, values in found.items()}


def session_of(steps: Sequence[Step]) -> Measures:
    """What a whole session of this one game amounts to."""
    first = steps[0][1]
    assert isinstance(first, GameStarted)
    game = {"config": msgspec.json.decode(first.config), "game": "memory_cards"}
    protocol = canonical({"games": [game]}).decode()
    started = Started(
        subject_id="0f" * 16,
        key_id=None,
        consent_basis="public data",
        battery="test",
        protocol=protocol,
        config_hash=sha256(protocol.encode()).hexdigest(),
        device_input="mouse",
        refresh_hz=60,
        ua_family=None,
        latency_bias_us=None,
        latency_sd_us=None,
    )
    kind_of = {payload_type: kind for kind, payload_type in (FRAME_KINDS | KINDS).items()}
    session = Session("s-1")
    for seq, (t_us, payload) in enumerate([(0, started), *steps, (steps[-1][0], Completed(len(steps) + 1))]):
        kind = kind_of[type(payload)]
        event = Event(
            session_id="s-1",
            seq=seq,
            t_us=t_us,
            kind=kind,
            payload=payload,
            digest=sha256(repr((seq, t_us, payload)).encode()).digest(),
            schema_sha256=sha256(kind.encode()).digest(),
            event_id=f"s-1/{seq}",
            device_time_ms=None,
            sent_time_ms=0,
            received_time_ms=0,
        )
        session.step(event)
    return measure_session(session)


def a_turn(first_us: int = 500_000, second_us: int = 500_000, **known: int | bool) -> Turn:
    """A turn of a sample; unless said otherwise of two cards that were new, and no pair."""
    fields = {"matched": False, "first_seen": False, "mate_lag": 0, "second_seen": False, **known}
    return Turn(first_latency_us=first_us, second_latency_us=second_us, **fields)
