"""Cheats and dirt: honest events bent as cheating clients, broken clocks and bad networks would bend them.

Every bend is a function of the events of one session, in order, and of dice. Those that a client would send as a session of its
own are numbered again; those that happen on the way keep the numbers they had.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from simulators.sitting import Fields

Bend = Callable[[Sequence[Fields], random.Random], list[Fields]]

_BOT_US = 200_000
_BACK_US, _JUMP_US = -11_000_000, 3_600_000_000  # the former happened to a participant of the SRO study
_TIMES = ("t_us", "onset_t_us", "stim_onset_t_us")
_TERMINALS = {"session.completed", "session.aborted"}
_BALLOON = {f"balloon_risk.{name}" for name in ("shown", "pumped", "exploded", "collected", "timed_out")}


class Cheat(msgspec.Struct, frozen=True):
    """What it does, to which games (empty: to any), and how."""

    about: str
    games: tuple[str, ...]
    bend: Bend

    def bends(self, games: Sequence[str]) -> bool:
        """Whether it can be done to a session of these games."""
        return not self.games or any(game in self.games for game in games)


# ----------------------------------------------------------------------------------------------------- players who do not play


def bot_constant(events: Sequence[Fields], dice: random.Random) -> list[Fields]:
    """The honest choices, each of them after 200 ms to the microsecond."""
    sent, shift_us = [], 0
    for event in events:
        moved = _moved(event, shift_us)
        if "latency_us" in moved:
            spared_us = moved["latency_us"] - _BOT_US
            moved |= {"latency_us": _BOT_US, "t_us": moved["t_us"] - spared_us}
            shift_us -= spared_us
        sent.append(moved)
    return sent


def all_zero_pumps(events: Sequence[Fields], dice: random.Random) -> list[Fields]:
    """Every balloon is cashed in at once."""
    return _balloons_by(events, dict.fromkeys(range(1, len(events)), 0))


def all_max(events: Sequence[Fields], dice: random.Random) -> list[Fields]:
    """Every balloon is pumped until it bursts, where the session told in the end at which pump."""
    text = next((event["reveal_burst_points"] for event in events if "reveal_burst_points" in event), "[]")
    return _balloons_by(events, dict(enumerate(msgspec.json.decode(text, type=list[int]), 1)))


def one_key(events: Sequence[Fields], dice: random.Random) -> list[Fields]:
    """The same key at every stimulus, as soon as there is one."""
    sent, shift_us, onset_us, key = [], 0, 0, ""
    for event in events:
        moved = _moved(event, shift_us)
        if moved["kind"] == "reaction_timer.game_started":
            key = min(key for key in moved["config"]["keys"].values() if key is not None)
        onset_us = moved.get("stim_onset_t_us", onset_us)
        if moved["kind"] == "reaction_timer.missed":
            latency_us = dice.randint(300_000, 500_000)
            shift_us -= moved.pop("timeout_us") - latency_us
            times = {"t_us": onset_us + latency_us, "onset_t_us": onset_us, "latency_us": latency_us}
            moved |= {"kind": "reaction_timer.responded", **times}
        if moved["kind"] == "reaction_timer.responded":
            moved["key"] = key
        sent.append(moved)
    return sent


def blur_storm(events: Sequence[Fields], dice: random.Random) -> list[Fields]:
    """The window loses attention after every fourth event: someone looks elsewhere, or asks elsewhere."""
    sent: list[Fields] = []
    for number, event in enumerate(events):
        sent.append(event)
        if number % 4 == 3 and event["kind"] not in _TERMINALS:
            frame = {"session_id": event["session_id"], "kind": "session.interaction", "t_us": event["t_us"]}
            sent += [{**frame, "action": "blur"}, {**frame, "action": "focus"}]
    return _numbered(sent)


# ------------------------------------------------------------------------------------------------------------- forged records


def edited_earnings(events: Sequence[Fields], dice: random.Random) -> list[Fields]:
    """One balloon earned five euros more than its pumps, and so did the bank from then on."""
    paid = [number for number, event in enumerate(events) if event["kind"] == "balloon_risk.collected"]
    if not paid:
        return list(events)
    place, sent = dice.choice(paid), [dict(event) for event in events]
    sent[place]["earned_c"] += 500
    for number in paid:
        sent[number]["bank_c"] += 500 * (number >= place)
    return sent


def replayed_session(events: Sequence[Fields], dice: random.Random) -> list[Fields]:
    """The session, and then all of it again under another id and another participant's name."""
    again = [{**event, "session_id": f"{event['session_id']}.replay"} for event in events]
    again[0] |= {"participant_ref": f"{again[0]['participant_ref']}, replayed"}
    return [*events, *again]


def double_terminal(events: Sequence[Fields], dice: random.Random) -> list[Fields]:
    """The session ends, and ends once more."""
    last = events[-1]
    return [*events, {**last, "seq": last["seq"] + 1, "last_seq": last["seq"] + 1}]


# ------------------------------------------------------------------------------------------------------------- broken clocks


def clock_back(events: Sequence[Fields], dice: random.Random) -> list[Fields]:
    """From the middle on the clock is 11 s slow."""
    place = _middle(events)
    return [*events[:place], *(_moved(event, _BACK_US) for event in events[place:])]


def clock_jump(events: Sequence[Fields], dice: random.Random) -> list[Fields]:
    """The computer sleeps for an hour during a response: from there on the clock is that much later."""
    place = _middle(events)
    sent = [*events[:place], *(_moved(event, _JUMP_US) for event in events[place:])]
    if "latency_us" in sent[place]:
        slept = sent[place]
        sent[place] = {
            **slept,
            "onset_t_us": slept["onset_t_us"] - _JUMP_US,
            "latency_us": slept["latency_us"] + _JUMP_US,
        }
    return sent


# --------------------------------------------------------------------------------------------------------------- bad networks


def dropped(events: Sequence[Fields], dice: random.Random) -> list[Fields]:
    """One event of the middle never arrives."""
    place = _middle(events)
    return [*events[:place], *events[place + 1 :]]


def duplicated(events: Sequence[Fields], dice: random.Random) -> list[Fields]:
    """A third of the events arrives twice, some much later."""
    return [*events, *(event for event in events if dice.random() < 1 / 3)]


def reordered(events: Sequence[Fields], dice: random.Random) -> list[Fields]:
    """All events arrive, in any order."""
    return dice.sample(list(events), len(events))


# ---------------------------------------------------------------------------------------------------------------- the table


CHEATS: Mapping[str, Cheat] = {
    bend.__name__: Cheat((bend.__doc__ or "").splitlines()[0], games, bend)
    for bend, games in (
        (bot_constant, ()),
        (all_zero_pumps, ("balloon_risk",)),
        (all_max, ("balloon_risk",)),
        (one_key, ("reaction_timer",)),
        (blur_storm, ()),
        (edited_earnings, ("balloon_risk",)),
        (replayed_session, ()),
        (double_terminal, ()),
        (clock_back, ()),
        (clock_jump, ()),
        (dropped, ()),
        (duplicated, ()),
        (reordered, ()),
    )
}


def bent(name: str, events: Sequence[Fields]) -> list[Fields]:
    """A session's events bent by this name; equal sessions are bent alike."""
    return CHEATS[name].bend(events, random.Random(f"{events[0]['session_id']}/{name}"))


def _moved(event: Fields, shift_us: int) -> Fields:
    return event | {name: event[name] + shift_us for name in _TIMES if name in event}


def _numbered(events: Sequence[Fields]) -> list[Fields]:
    numbered = [event | {"seq": seq} for seq, event in enumerate(events)]
    return [event | ({"last_seq": event["seq"]} if "last_seq" in event else {}) for event in numbered]


def _middle(events: Sequence[Fields]) -> int:
    """The first response in the second half; in its absence, half-way."""
    half = len(events) // 2
    return next((place for place in range(half, len(events)) if "latency_us" in events[place]), half)


def _balloons_by(events: Sequence[Fields], pumps_of: Mapping[int, int]) -> list[Fields]:
    """The session with balloon i pumped as often as is said: 0 is cashed in, anything else bursts. Others stay as they were."""
    sent: list[Fields] = []
    late_us = bank_c = 0
    replaced = False
    for event in events:
        moved = _moved(event, late_us)
        if moved["kind"] == "balloon_risk.shown":
            replaced = moved["i"] in pumps_of
            if replaced:
                sent += [moved, *_one_way(moved, pumps_of[moved["i"]], bank_c)]
                continue
        if replaced and moved["kind"] in _BALLOON:
            late_us += sent[-1]["t_us"] - moved["t_us"]
            continue
        if moved["kind"] == "balloon_risk.collected":
            bank_c += moved["earned_c"]
            moved["bank_c"] = bank_c
        sent.append(moved)
    return _numbered(sent)


def _one_way(shown: Fields, pumps: int, bank_c: int) -> Iterator[Fields]:
    """What follows a balloon that is shown, an answer every 300 ms."""
    t_us, about = shown["t_us"], {"session_id": shown["session_id"], "i": shown["i"]}
    for k in range(1, pumps + 1):
        times = {"t_us": t_us + 300_000, "onset_t_us": t_us, "latency_us": 300_000}
        yield {"kind": "balloon_risk.pumped", **about, **times, "k": k}
        t_us += 300_000
    if pumps:
        yield {"kind": "balloon_risk.exploded", **about, "t_us": t_us, "at_pump": pumps}
        return
    times = {"t_us": t_us + 300_000, "onset_t_us": t_us, "latency_us": 300_000}
    yield {"kind": "balloon_risk.collected", **about, **times, "pumps": 0, "earned_c": 0, "bank_c": bank_c}
