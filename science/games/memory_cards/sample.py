"""Memory cards: what is left of a play once it is over, round by round."""

from collections.abc import Mapping, Sequence

import msgspec

from science.estimate import Clusters, Sums, sums
from science.exact import Line, ln
from science.games.memory_cards.optimal import law_of
from science.games.memory_cards.play import FLOOR_US, Board, MemoryPlay


class Turn(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Two flips, and what the player could have known. "Seen" is seen in this round before this turn.

    ``mate_lag`` counts the flips from the one that last showed the first card's mate to the one that showed the first card;
    0 where the mate had not been seen.
    """

    first_latency_us: int
    second_latency_us: int
    matched: bool
    first_seen: bool
    mate_lag: int
    second_seen: bool


class Round(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A scored round: all that any metric needs of it. Latencies in us, as they were."""

    r: int
    n_pairs: int
    turns: tuple[Turn, ...]


def sample(plays: Sequence[MemoryPlay]) -> list[Round]:
    """The scored rounds of the plays, in order."""
    return [Round(board.r, board.n_pairs, _turns(board)) for play in plays for board in play.scored]


def _turns(board: Board) -> tuple[Turn, ...]:
    """Every card of a scored round was shown in the end, so every place has its mate."""
    turns: list[Turn] = []
    shown: dict[int, int] = {}  # place -> the number of the flip that last showed it
    mates = _mates(board.faces)
    for first, second in zip(board.flips[::2], board.flips[1::2], strict=True):
        number, mate_shown = 2 * len(turns), shown.get(mates[first.pos])
        turns.append(
            Turn(
                first_latency_us=first.latency_us,
                second_latency_us=second.latency_us,
                matched=first.face == second.face,
                first_seen=first.pos in shown,
                mate_lag=0 if mate_shown is None else number - mate_shown,
                second_seen=second.pos in shown,
            )
        )
        shown[first.pos] = number
        shown[second.pos] = number + 1
    return tuple(turns)


def _mates(faces: Mapping[int, str]) -> dict[int, int]:
    """The other place of the same face."""
    places: dict[str, list[int]] = {}
    for pos, face in faces.items():
        places.setdefault(face, []).append(pos)
    mates = {}
    for one, other in places.values():
        mates[one], mates[other] = other, one
    return mates


class Account(msgspec.Struct, frozen=True, gc=False):
    """A round counted, with its logarithms taken, once. ``excess`` is T - E and ``variance`` Var, in 2**-64; ``ln_ratio`` is
    ln(T / E) in Q32: T are the turns, E and Var the mean and the variance of the turns of perfect memory (``optimal.py``).

    The four kinds of turns are those of HuskerDu (Millisecond). Latencies are logarithms of us in Q32, without anticipations:
    of all flips; of the second flips that ``retrieved`` a seen mate, and of those that ``explored``, turning up a new card
    because the mate was new too; and of first flips, by how the turn before it in the round ended. ``redundant`` counts second flips
    of a card that was seen and so cannot be the mate, which was not; ``wasted`` first flips of a seen card whose mate was not.
    """

    r: int
    n_pairs: int
    turns: int
    excess: int
    variance: int
    ln_ratio: int
    hits: int
    misses: int
    lucky: int
    no_match: int
    redundant: int
    wasted: int
    active_us: int
    flips: Sums
    retrieved: Sums
    explored: Sums
    after_mismatch: Sums
    after_match: Sums


def account(round_: Round) -> Account:
    """Count one round."""
    turns, law = round_.turns, law_of(round_.n_pairs)
    known = [turn for turn in turns if turn.mate_lag]
    new = [turn for turn in turns if not turn.mate_lag]
    hits = len([turn for turn in known if turn.matched])
    lucky = len([turn for turn in new if turn.matched])
    firsts = _logarithms([turn.first_latency_us for turn in turns])
    seconds = _logarithms([turn.second_latency_us for turn in turns])
    by_turn = list(zip(turns, seconds, strict=True))
    following = list(zip(turns[:-1], firsts[1:], strict=True))  # with the first flip of the turn after it
    return Account(
        r=round_.r,
        n_pairs=round_.n_pairs,
        turns=len(turns),
        excess=(len(turns) << 64) - law.mean,
        variance=law.variance,
        ln_ratio=ln(len(turns)) - law.ln_mean,
        hits=hits,
        misses=len(known) - hits,
        lucky=lucky,
        no_match=len(new) - lucky,
        redundant=len([turn for turn in new if turn.second_seen]),
        wasted=len([turn for turn in new if turn.first_seen]),
        active_us=sum([max(0, turn.first_latency_us) + max(0, turn.second_latency_us) for turn in turns]),
        flips=_sums(firsts + seconds),
        retrieved=_sums([x for turn, x in by_turn if turn.mate_lag and turn.matched]),
        explored=_sums([x for turn, x in by_turn if not turn.mate_lag and not turn.second_seen]),
        after_mismatch=_sums([x for turn, x in following if not turn.matched]),
        after_match=_sums([x for turn, x in following if turn.matched]),
    )


def _logarithms(latencies_us: list[int]) -> list[int | None]:
    return [ln(latency_us) if latency_us >= FLOOR_US else None for latency_us in latencies_us]


def _sums(logarithms: list[int | None]) -> Sums:
    return sums([x for x in logarithms if x is not None])


class Gathered(msgspec.Struct, frozen=True, gc=False):
    """The rounds with what they come to: all that the metrics and their influences both look at.

    Excess and variance are sums, in 2**-64; ``trend`` is the line of ln(T / E) (Q32) on r; an effect is the mean of the first of its two
    ``cells`` less the mean of the second.
    """

    rounds: Sequence[Account]
    excess: int
    variance: int
    hits: int
    misses: int
    trend: Line
    flips: Clusters
    cells: Mapping[str, tuple[Clusters, Clusters]]


def gather(accounts: Sequence[Account]) -> Gathered:
    """Bring together what these rounds tell."""
    return Gathered(
        rounds=accounts,
        excess=sum([of.excess for of in accounts]),
        variance=sum([of.variance for of in accounts]),
        hits=sum([of.hits for of in accounts]),
        misses=sum([of.misses for of in accounts]),
        trend=Line([of.r for of in accounts], [of.ln_ratio for of in accounts]),
        flips=Clusters([of.flips for of in accounts]),
        cells={
            "hit_cost": (
                Clusters([of.retrieved for of in accounts]),
                Clusters([of.explored for of in accounts]),
            ),
            "post_mismatch_latency": (
                Clusters([of.after_mismatch for of in accounts]),
                Clusters([of.after_match for of in accounts]),
            ),
        },
    )
