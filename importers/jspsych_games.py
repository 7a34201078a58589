"""jsPsych's trials as games: plugin-bart (jspsych-contrib, 1.0 to 1.2) as balloon risk, trials with a right answer as reaction timer.

``time_elapsed`` is the clock: milliseconds from the start of the experiment to the end of the trial. When a trial began is not in
the data. A response is taken to have ended its trial (``response_ends_trial``), a balloon to have stayed on the screen for 500 ms
after its end, and 300 ms more for its bursting: the plugin's own times. That moves a trial as a whole, never a reaction time.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from fractions import Fraction
from operator import itemgetter

import msgspec

from importers.balloons import BalloonGame
from importers.reactions import ReactionGame
from importers.sessions import Game, Told, unreadable
from importers.tables import MILLISECOND_US, NotOfThisForm, micros

_NO_RT = (None, -1)  # -1 in the data of the Experiment Factory

Fields = dict[str, object]

_END_US, _BURST_US = 500_000, 300_000  # plugin-bart: a timeout before the trial ends; pop_animation_duration
_SLACK_US = 5_000  # rt and time_elapsed are rounded, and read from two clocks of the browser
_ACTIONS = {
    "blur": "blur",
    "focus": "focus",
    "fullscreenenter": "fullscreen_enter",
    "fullscreenexit": "fullscreen_exit",
}


class Record(msgspec.Struct, frozen=True):
    """One trial of the data; ``source`` is the array or table it stands in."""

    place: str
    source: str
    fields: Fields


class Design(msgspec.Struct, frozen=True, kw_only=True):
    """What the data do not say of the games. ``reactions`` and ``practice`` are a column and its value."""

    max_pumps: int | None = None
    burst_law: str = "unknown"
    pump_animation_ms: int = 200
    timeout_ms: int | None = None
    reactions: tuple[str, str] | None = None
    practice: tuple[str, str] | None = None
    keys: tuple[str, ...] = ()


def is_reaction(fields: Fields, design: Design) -> bool:
    """Whether it is a trial of reaction timer: it has a reaction time or could have had, and a right answer or the name given."""
    if "rt" not in fields or fields.get("trial_type") == "bart":
        return False
    if design.reactions is not None:
        return _has(fields, design.reactions)
    return fields.get("correct_response") is not None


def planned_keys(records: Iterable[Record], design: Design) -> Design:
    """The design with the keys that were right somewhere in the data; without any, the one key that was pressed."""
    chosen = [record.fields for record in records if is_reaction(record.fields, design)]
    right = {_key(fields["correct_response"]) for fields in chosen if "correct_response" in fields}
    keys = {key for key in right if key is not None}
    if chosen and not keys:
        keys = {key for fields in chosen if (key := _pressed(fields)) is not None}
        if len(keys) != 1:
            raise NotOfThisForm(
                f"the trials have no correct_response, and {len(keys)} different keys were pressed"
            )
    return msgspec.structs.replace(design, keys=tuple(sorted(keys)))


class Run:
    """One session's trials, walked over once; its clock stands where the trial before ended."""

    def __init__(self, session_id: str, design: Design, skipped: Counter[str]) -> None:
        """Before the first trial."""
        self._session_id = session_id
        self._design = design
        self._skipped = skipped
        self._clock_us = self._timeout_us = 0

    def games(self, run: Sequence[Record]) -> list[Game]:
        """The games. Trials of one game in a row are one playing of it; trials of none may stand between them."""
        games: list[Game] = []
        game: BalloonGame | ReactionGame | None = None
        value_c, scale = _value_of_a_pump(run)
        self._timeout_us = self._timeout_of(run)
        begin_us = 0
        for record in run:
            kind = self._kind(record.fields)
            if kind is None:
                self._skip(record.fields)
                continue
            if not isinstance(game, kind):
                if game is not None:
                    games.append(game.told(begin_us))
                game, begin_us = self._begin(kind, value_c), self._clock_us
            if isinstance(game, BalloonGame):
                self._balloon(game, record, value_c, scale)
            else:
                self._reaction(game, record)
        if game is not None:
            games.append(game.told(begin_us))
        return games

    def _kind(self, fields: Fields) -> type[BalloonGame | ReactionGame] | None:
        if fields.get("trial_type") == "bart":
            return BalloonGame
        return ReactionGame if is_reaction(fields, self._design) else None

    def _begin(self, kind: type[BalloonGame | ReactionGame], value_c: int) -> BalloonGame | ReactionGame:
        design = self._design
        if kind is BalloonGame:
            assert design.max_pumps is not None  # asked for before anything is told
            return BalloonGame(
                max_pumps=design.max_pumps, value_per_pump_c=value_c, burst_law=design.burst_law
            )
        # A stimulus is free HTML: it is named by the key it asks for.
        keys = {key: key for key in design.keys}
        return ReactionGame("choice" if len(keys) > 1 else "simple", keys, timeout_us=self._timeout_us)

    def _timeout_of(self, run: Sequence[Record]) -> int:
        """As it is said; else the slowest response of the session: whoever missed a trial did not press within that either."""
        if self._design.timeout_ms is not None:
            return self._design.timeout_ms * MILLISECOND_US
        slowest_us = 1
        for record in run:
            with suppress(ValueError):
                if is_reaction(record.fields, self._design) and (response := _response(record.fields)):
                    slowest_us = max(slowest_us, response[1])
        return slowest_us

    def _skip(self, fields: Fields) -> None:
        if not is_interaction(fields):
            self._skipped[f"trial_type {str(fields.get('trial_type'))[:60]}"] += 1
        with suppress(ValueError):
            self._clock_us = micros(fields, "time_elapsed", MILLISECOND_US)

    def _onset_us(self, end_us: int, took_us: int, after_us: int = 0) -> int:
        """When a trial began that took so long and was over ``after_us`` later, at ``end_us``; not before the one before it ended,
        where the two clocks allow for that. The clock moves on.
        """
        onset_us = end_us - after_us - took_us
        if onset_us < self._clock_us and self._clock_us + took_us <= end_us + _SLACK_US:
            onset_us = self._clock_us
        self._clock_us = max(end_us, onset_us + took_us)
        return onset_us

    def _balloon(self, game: BalloonGame, record: Record, value_c: int, scale: int) -> None:
        """A whole balloon, or a hole."""
        fields, place = record.fields, record.place
        game.begin(practice=_has(fields, self._design.practice))
        try:
            end_us = micros(fields, "time_elapsed", MILLISECOND_US)
            times_us, collect_us = _presses(fields)
            _check_money(fields, value_c, scale)
        except ValueError as error:
            game.refuse(place, unreadable(self._session_id, error))
            return
        is_burst = collect_us is None
        took_us = times_us[-1] if collect_us is None else collect_us
        shown_us = self._onset_us(end_us, took_us, _END_US + _BURST_US * is_burst)
        game.show(place, shown_us)
        free_us = shown_us  # the buttons are dead while a pump is animated
        for time_us in times_us:
            game.pump(place, free_us, shown_us + time_us - free_us)
            free_us = shown_us + time_us + self._design.pump_animation_ms * MILLISECOND_US
        if collect_us is None:
            game.explode(place, shown_us + took_us)
        else:
            game.collect(place, free_us, shown_us + collect_us - free_us)

    def _reaction(self, game: ReactionGame, record: Record) -> None:
        """A trial with its response or without one, or a hole."""
        fields, place = record.fields, record.place
        practice = _has(fields, self._design.practice)
        try:
            end_us, right = micros(fields, "time_elapsed", MILLISECOND_US), self._right(fields)
            response = _response(fields)
        except ValueError as error:
            game.refuse(place, unreadable(self._session_id, error), practice=practice)
            return
        if response is None:
            waited_us = (self._design.timeout_ms or 0) * MILLISECOND_US or max(0, end_us - self._clock_us)
            onset_us = self._onset_us(end_us, waited_us)
            game.miss(place, right, onset_us, onset_us + waited_us, practice=practice)
        else:
            key, rt_us = response
            game.respond(place, right, key, self._onset_us(end_us, rt_us), rt_us, practice=practice)

    def _right(self, fields: Fields) -> str:
        """The key that this trial asks for."""
        if fields.get("correct_response") is None and len(self._design.keys) == 1:
            return self._design.keys[0]
        key = _key(fields.get("correct_response"))
        if key is None:
            raise ValueError(
                f"correct_response is {str(fields.get('correct_response'))[:30]!r}, no single key"
            )
        return key


def attention(run: Iterable[Record], skipped: Counter[str]) -> list[Told]:
    """What the window lost and gained of attention, in the order of time: rows of ``getInteractionData()`` among the trials, or
    lists of them in a trial's ``interactions`` or ``interaction_data`` (which may stand in every trial: each counts once).
    """
    found: dict[tuple[int, str], str] = {}
    for record in run:
        for interaction in _interactions(record.fields):
            try:
                action = _ACTIONS[str(interaction["event"])]
                found.setdefault((micros(interaction, "time", MILLISECOND_US), action), record.place)
            except (KeyError, ValueError):
                skipped["interaction that cannot be read"] += 1
    return [
        (place, {"kind": "session.interaction", "t_us": t_us, "action": action})
        for (t_us, action), place in sorted(found.items(), key=itemgetter(0))
    ]


def is_interaction(fields: Fields) -> bool:
    """Whether the record is no trial but a loss or gain of attention."""
    return fields.get("trial_type") is None and fields.get("event") is not None


def _interactions(fields: Fields) -> list[Mapping[str, object]]:
    if is_interaction(fields):
        return [fields]
    listed = fields.get("interactions") or fields.get("interaction_data")
    if isinstance(listed, str):  # JSON within JSON
        try:
            listed = json.loads(listed)
        except (ValueError, RecursionError):
            listed = [listed]
    if listed is None:
        return []
    return [
        one if isinstance(one, dict) else {} for one in (listed if isinstance(listed, list) else [listed])
    ]


# ------------------------------------------------------------------------------------------------ one trial's cells


def _has(fields: Fields, wanted: tuple[str, str] | None) -> bool:
    """Whether the column has the value, as JSON writes it; a text without its quotes."""
    if wanted is None or wanted[0] not in fields:
        return False
    value = fields[wanted[0]]
    return wanted[1] == (value if isinstance(value, str) else json.dumps(value, default=str))


def _key(value: object) -> str | None:
    """A key by its name or code, or a button by its index. jsPsych compares keys without regard to case."""
    return str(value).lower() if isinstance(value, str | int) and not isinstance(value, bool) else None


def _pressed(fields: Fields) -> str | None:
    """``response``, or ``key_press`` as it was called before jsPsych 7."""
    response = fields.get("response")
    return _key(fields.get("key_press") if response is None else response)


def _response(fields: Fields) -> tuple[str, int] | None:
    """The key and the reaction time; None where nobody pressed. Raises ValueError."""
    if fields["rt"] in _NO_RT:
        return None
    key, rt_us = _pressed(fields), micros(fields, "rt", MILLISECOND_US)
    if key is None:
        raise ValueError("a reaction time without a response")
    return key, rt_us


def _presses(fields: Fields) -> tuple[list[int], int | None]:
    """When a balloon was pumped, and when its money was taken (None: it burst), from when it was shown. Raises ValueError."""
    match fields.get("pumps"), fields.get("popped"), fields.get("pump_times"):
        case int(pumps), bool(popped), list(times):
            pass
        case _:
            raise ValueError("pumps, popped or pump_times is missing, or not as plugin-bart writes it")
    if len(times) != pumps:
        raise ValueError(f"pumps is {pumps}, but pump_times has {len(times)}")
    if popped and not times:
        raise ValueError("popped without a pump")
    times_us = [micros({"pump_times": time}, "pump_times", MILLISECOND_US) for time in times]
    return times_us, None if popped else micros(fields, "collect_time", MILLISECOND_US)


def _value_of_a_pump(run: Iterable[Record]) -> tuple[int, int]:
    """What a pump is worth by the first money taken, and by what points are to be multiplied for it: points are whole, or a currency
    of which a hundredth is.
    """
    for record in run:
        pumps, points = record.fields.get("pumps"), _points(record.fields)
        if record.fields.get("popped") is False and isinstance(pumps, int) and pumps > 0 and points:
            value = points / pumps
            scale = 1 if value.denominator == 1 else 100
            return max(1, int(value * scale)), scale
    return 1, 1


def _check_money(fields: Fields, value_c: int, scale: int) -> None:
    """Raises ValueError where the points are not those of the pumps."""
    points, pumps = _points(fields), fields["pumps"]
    assert isinstance(pumps, int)
    earned = 0 if fields["popped"] else pumps * value_c
    if points is None or points * scale != earned:
        told = str(fields.get("points_earned"))[:30]
        raise ValueError(f"points_earned is {told}, but {pumps} pumps made {Fraction(earned, scale)}")


def _points(fields: Fields) -> Fraction | None:
    try:
        return Fraction(str(fields.get("points_earned")))
    except (ValueError, ZeroDivisionError):
        return None
