"""jsPsych's data: ``importers/jspsych.py`` and ``importers/jspsych_games.py``.

The trials are made here in the form that jsPsych's documentation gives its data, and the code of plugin-bart 1.2 (jspsych-contrib,
MIT) its own: ``pump_times`` and ``collect_time`` are whole milliseconds since the balloon was shown, ``time_elapsed`` since the
experiment began. Nothing is copied from anywhere.
"""

import csv
import gzip
import io
import json
from collections import Counter
from collections.abc import Sequence
from math import log
from pathlib import Path
from statistics import mean, median, stdev

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from importers.importing import Parsed, bring_in
from importers.jspsych import Sources, events
from importers.jspsych_games import Design
from importers.tables import NotOfThisForm
from science.measure import Measures
from streams.memory import MemoryLog
from tests.agents.doors import door
from tests.importers.told import Fields, gives, measured, the_one, told

DESIGN = Design(max_pumps=20, burst_law="uniform")
SOURCES = Sources(consent_basis="declared:test")
PERSON = {"subject_id": "5f8d0e55c3ab2e0b", "run_id": "7"}

# Pumps' times in ms since the balloon was shown, and the money's time: four balloons, the second bursts at its second pump.
BALLOONS: list[tuple[list[int], int | None]] = [
    ([1000, 1800, 2600], 3300),
    ([900, 1500], None),
    ([700, 1300, 2000, 2700], 3400),
    ([800, 1400], 2000),
]
# What is left of them after the 200 ms in which the plugin's buttons are dead.
PUMP_MS = [1000, 600, 600, 900, 400, 700, 400, 500, 500, 800, 400]
COLLECT_MS = [500, 500, 400]
RIGHT_MS = [400, 500, 450, 550, 480, 520, 430, 470, 510, 490]


class Experiment:
    """Trials as they are written down one after the other, with their clock."""

    def __init__(self, **common: object) -> None:
        self.trials: list[Fields] = []
        self.common = common
        self.ms = 0

    def add(self, trial_type: str, took_ms: int, **fields: object) -> "Experiment":
        self.ms += took_ms
        place = {"trial_type": trial_type, "trial_index": len(self.trials), "time_elapsed": self.ms}
        self.trials.append({**fields, **place, **self.common})
        return self

    def text(self, stimulus: str = "<p>Welcome. Press any key.</p>") -> "Experiment":
        """A page of instructions, as most experiments begin with one: it has a reaction time, but no right answer."""
        return self.add("html-keyboard-response", 4_000, rt=3_990, stimulus=stimulus, response=" ")

    def balloon(
        self, times: Sequence[int], collect: int | None, *, points: float = 5, **more: object
    ) -> "Experiment":
        burst = collect is None
        took = times[-1] + 800 if collect is None else collect + 500
        earned = 0 if burst else points * len(times)
        fields = {"pumps": len(times), "popped": burst, "points_earned": earned, "total_points": 0}
        return self.add("bart", took, **fields, pump_times=list(times), collect_time=collect, **more)

    def balloons(self, **more: object) -> "Experiment":
        for times, collect in BALLOONS:
            self.balloon(times, collect, **more)
        return self

    def reaction(self, right: str, rt: float | None, response: str | None, **more: object) -> "Experiment":
        took = 2_000 if rt is None else int(rt) + 300
        self.add("html-keyboard-response", 300, rt=None, stimulus="+", response=None, task="fixation")
        answer = {"rt": rt, "response": response, "correct_response": right, "task": "response"}
        return self.add("html-keyboard-response", took - 300, stimulus=f"<i>{right}</i>", **answer, **more)

    def reactions(self, keys: str = "fj", **more: object) -> "Experiment":
        """Ten right, one wrong, one missed."""
        for i, rt in enumerate(RIGHT_MS):
            self.reaction(keys[i % len(keys)], rt, keys[i % len(keys)], **more)
        self.reaction(keys[0], 300, "x" if len(keys) == 1 else keys[1], **more)
        return self.reaction(keys[-1], None, None, **more)

    def json(self) -> str:
        return json.dumps(self.trials)

    def csv(self) -> str:
        """As jsPsych writes it: every cell in quotes, null and what is nested as JSON, nothing for what is not there."""
        columns = list(dict.fromkeys(name for trial in self.trials for name in trial))
        file = io.StringIO()
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(columns)
        for trial in self.trials:
            writer.writerow([self._cell(trial, column) for column in columns])
        return file.getvalue()

    @staticmethod
    def _cell(trial: Fields, column: str) -> str:
        if column not in trial:
            return ""
        value = trial[column]
        return value if isinstance(value, str) else json.dumps(value)


def written(folder: Path, text: str, name: str = "data.json") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def imported(
    *paths: Path, design: Design = DESIGN, sources: Sources = SOURCES, skipped: Counter[str] | None = None
) -> list[Parsed]:
    return [*events(paths, design, sources, Counter() if skipped is None else skipped)]


def taken(folder: Path, experiment: Experiment, **options: object) -> list[Parsed]:
    return imported(written(folder, experiment.json()), design=msgspec.structs.replace(DESIGN, **options))


def codes(measures: Measures) -> set[str]:
    return {finding.code for finding in measures.findings}


def of_kind(parsed: Sequence[Parsed], kind: str) -> list[Fields]:
    return [event for session in told(parsed)[0].values() for event in session if event["kind"] == kind]


# ------------------------------------------------------------------------------------------------ golden


def test_known_balloons_give_the_metrics_worked_out_by_hand(tmp_path: Path) -> None:
    """Collected 3, 4 and 2 pumps, burst at 2; Kaplan-Meier: S = 1, 1, 2/3, 1/3 for the pumps 1 to 4."""
    measures = the_one(taken(tmp_path, Experiment(**PERSON).text().balloons()))
    gives(
        measures,
        {
            "balloon.n": 4,
            "balloon.n_exploded": 1,
            "balloon.n_collected": 3,
            "balloon.n_pumps": 11,
            "balloon.aap": 3,
            "balloon.intended_km": 3,
            "balloon.ln_intended_km": log(3),
            "balloon.mean_pumps_all": 2.75,
            "balloon.explosion_rate": 0.25,
            "balloon.efficiency": 9 * 5 / (4 * 10 * (1 - 10 / 20) * 5),
            "balloon.sd_adj": 1,
            "balloon.cv_adj": 1 / 3,
            "balloon.mean_ln_latency": mean(map(log, PUMP_MS)),
            "balloon.sd_ln_latency": stdev(map(log, PUMP_MS)),
            "balloon.first_pump_ln": mean(map(log, [1000, 900, 700, 800])),
            "balloon.collect_ln": mean(map(log, COLLECT_MS)),
        },
    )
    assert codes(measures) == set()
    assert measures.games[0].tally.planned == 4


def test_known_choices_give_the_metrics_worked_out_by_hand(tmp_path: Path) -> None:
    """Two right keys make a choice; instructions and fixation crosses are no trials of it."""
    skipped: Counter[str] = Counter()
    path = written(tmp_path, Experiment(**PERSON).text().reactions().json())
    measures = the_one(imported(path, skipped=skipped))
    gives(
        measures,
        {
            "rt.n_valid": 10,
            "rt.n_missed": 1,
            "rt.n_anticipations": 0,
            "rt.mean": mean(RIGHT_MS),
            "rt.median": median(RIGHT_MS),
            "rt.speed_mean_inv": mean(1000 / ms for ms in RIGHT_MS),
            "rt.sd": stdev(RIGHT_MS),
            "rt.sd_ln": stdev(map(log, RIGHT_MS)),
            "rt.lapses": 4 + 1,
            "rt.choice_accuracy": 10 / 11,
        },
    )
    (game,) = measures.games
    assert game.match["kind"] == "choice"
    assert (game.tally.planned, game.tally.scored) == (12, 12)
    assert skipped == {"trial_type html-keyboard-response": 13}
    assert codes(measures) <= {"Q_COARSE_CLOCK"}  # these times are whole tens of milliseconds


def test_one_right_key_in_all_the_data_is_a_simple_game(tmp_path: Path) -> None:
    """Eleven pressed in time, ten of them the right key."""
    measures = the_one(taken(tmp_path, Experiment(**PERSON).reactions(keys=" ")))
    assert measures.games[0].match["kind"] == "simple"
    gives(measures, {"rt.n_valid": 10, "rt.n_missed": 1, "rt.mean": mean(RIGHT_MS)})


# ------------------------------------------------------------------------------------------------ forms


@pytest.mark.parametrize("form", ["csv", "csv.gz", "json.gz", "indented", "windows", "mark"])
def test_one_experiment_in_any_form_gives_one_set_of_metrics(form: str, tmp_path: Path) -> None:
    """JSON or CSV, pretty or not, compressed or not: the same games."""
    experiment = Experiment(**PERSON).text().balloons().reactions()
    text = experiment.csv() if "csv" in form else experiment.json()
    if form == "indented":
        text = "\r\n" + json.dumps(experiment.trials, indent=4)
    if form == "windows":
        text = text.replace("\n", "\r\n")
    path = tmp_path / f"data.{form}"
    content = text.encode("utf-8-sig" if form == "mark" else "utf-8")
    path.write_bytes(gzip.compress(content) if form.endswith("gz") else content)
    found, plain = the_one(imported(path)), the_one(taken(tmp_path, experiment))
    assert found.metrics == plain.metrics
    assert [game.match for game in found.games] == [game.match for game in plain.games]
    assert found.duration_us == plain.duration_us


def test_arrays_one_after_the_other_are_different_runs(tmp_path: Path) -> None:
    """As JATOS exports them, a line for each participant."""
    runs = [Experiment().text().balloons().json(), Experiment().balloons().reactions().json()]
    assert len(measured(imported(written(tmp_path, "\n".join(runs) + "\n")))) == 2


def test_the_experiment_factorys_old_names_are_read(tmp_path: Path) -> None:
    """``key_press`` for response, codes for keys, and -1 for no response."""
    new, old = Experiment().reactions(), Experiment()
    for trial in new.trials:
        named = {"f": 70, "j": 74, None: -1}
        old.trials.append(
            {
                **{name: value for name, value in trial.items() if name != "response"},
                "key_press": named.get(str(trial["response"]), -1),
                "rt": -1 if trial["rt"] is None else trial["rt"],
            }
            | (
                {"correct_response": named[str(trial["correct_response"])]}
                if "correct_response" in trial
                else {}
            )
        )
    assert the_one(taken(tmp_path, old)).metrics == the_one(taken(tmp_path, new)).metrics


def test_reaction_times_of_older_versions_have_fractions(tmp_path: Path) -> None:
    """Milliseconds with decimals go over to the microsecond, not through a float."""
    parsed = taken(tmp_path, Experiment().reaction("f", 412.345, "f").reaction("j", 387.105, "j"))
    assert [event["latency_us"] for event in of_kind(parsed, "reaction_timer.responded")] == [
        412_345,
        387_105,
    ]


NO_DATA = {
    "nothing": "",
    "no JSON": "[{",
    "no array": '{"trial_type": "bart"}',
    "no objects": "[1, 2]",
    "no number": '[{"trial_type": "bart", "time_elapsed": NaN}]',
    "no end of arrays": "[" * 200_000,
    "no end of digits": f'[{{"trial_type": "bart", "time_elapsed": {"9" * 5_000}}}]',
    "no trial": '[{"a": 1}]',
    "another table": "a,b\n1,2\n",
    "an empty array": "[]",
}


@pytest.mark.parametrize("name", NO_DATA)
def test_what_is_not_jspsychs_data_is_refused_before_anything_is_told(name: str, tmp_path: Path) -> None:
    """One exception, whatever the bytes."""
    with pytest.raises(NotOfThisForm):
        imported(written(tmp_path, NO_DATA[name]))


def test_balloons_without_their_last_pump_are_refused(tmp_path: Path) -> None:
    """The plugin's own max_pumps is a matter of drawing, and not in the data: a guess would be scored."""
    with pytest.raises(NotOfThisForm, match="--max-pumps"):
        taken(tmp_path, Experiment().balloons(), max_pumps=None)
    assert measured(taken(tmp_path, Experiment().reactions(), max_pumps=None))


# ------------------------------------------------------------------------------------------------ people


def test_sessions_are_told_apart_by_person_and_run(tmp_path: Path) -> None:
    """In one file, in any order of people; each is named by what it holds, and its participant goes to be encrypted."""
    people = [
        Experiment(subject_id=who, run_id=run).balloons() for who, run in [("ann", 1), ("bob", 1), ("ann", 2)]
    ]
    parsed = imported(written(tmp_path, json.dumps([trial for one in people for trial in one.trials])))
    sessions = told(parsed)[0]
    assert len(sessions) == 3
    assert [session[0]["participant_ref"] for session in sessions.values()] == ["ann", "bob", "ann"]
    assert not any("ann" in name or "bob" in name for name in sessions)
    assert all("subject_id" not in session[0] for session in sessions.values())


def test_the_same_trials_have_the_same_name_wherever_they_stand(tmp_path: Path) -> None:
    """So a second import, also within a longer file, is all duplicates."""
    first, second = Experiment(subject="a").balloons(), Experiment(subject="b").reactions()
    alone = told(taken(tmp_path, first))[0]
    together = told(imported(written(tmp_path, json.dumps([*second.trials, *first.trials]), "all.json")))[0]
    ((name, session),) = alone.items()
    assert together[name] == session
    assert told(taken(tmp_path, first))[0] == alone


@pytest.mark.parametrize("arrays", [1, 2])
def test_files_of_one_name_in_two_folders_are_different_runs(arrays: int, tmp_path: Path) -> None:
    """Each array of each file is somebody's run, although nothing in the data says whose."""
    runs = [Experiment().balloons(), Experiment().balloons().reactions(), Experiment().reactions()]
    paths = []
    for place, name in enumerate(["ann", "bob"]):
        (tmp_path / name).mkdir()
        text = "\n".join(run.json() for run in runs[place : place + arrays])
        paths.append(written(tmp_path / name, text))
    parsed = imported(*paths)
    sessions = told(parsed)[0]
    assert len(sessions) == len({run.json() for run in runs[: arrays + 1]})
    assert {item.place.partition(" ")[0] for item in parsed} == {"data.json"}
    alone = [told(imported(path))[0] for path in paths]
    assert sessions.keys() == alone[0].keys() | alone[1].keys()


@pytest.mark.parametrize("form", ["json", "csv"])
def test_a_copy_of_a_file_is_the_same_session_again(form: str, tmp_path: Path) -> None:
    """So all that it tells are duplicates: nobody plays twice as long by it."""
    experiment = Experiment(subject="a").balloons()
    (tmp_path / "copy").mkdir()
    paths = [written(folder, getattr(experiment, form)()) for folder in (tmp_path, tmp_path / "copy")]
    first, both = imported(paths[0]), imported(*paths)
    assert [item.event for item in both] == [item.event for item in first] * 2


@pytest.mark.parametrize("column", [None, "subject"])
def test_a_file_that_is_named_twice_is_refused(column: str | None, tmp_path: Path) -> None:
    """Its trials must not be told twice over as one session; by whatever way it is named."""
    path = written(tmp_path, Experiment(subject="a").balloons().json())
    (tmp_path / "by").mkdir()
    sources = msgspec.structs.replace(SOURCES, session_column=column)
    for other in (path, tmp_path / "by" / ".." / "data.json"):
        with pytest.raises(NotOfThisForm, match="named twice"):
            imported(path, other, sources=sources)


BAD_PEOPLE = {"blank": "  ", "long": "x" * 513, "long in bytes": "ä" * 257, "half a character": "\ud800"}


@pytest.mark.parametrize("name", BAD_PEOPLE)
def test_a_person_that_the_door_would_not_take_is_refused_once(name: str, tmp_path: Path) -> None:
    """Without its start a session must not reach the log at all; the next one does."""
    bad, good = (Experiment(subject=who).balloons() for who in (BAD_PEOPLE[name], "a" * 512))
    imported_ = bring_in(
        imported(written(tmp_path, json.dumps([*bad.trials, *good.trials]))), door(tmp_path, MemoryLog())
    )
    (refusal,) = imported_.refusals
    assert refusal.verdict.pointer == "/participant_ref"
    assert (imported_.rejected, imported_.closed) == (1, 0)
    assert imported_.accepted == imported_.read - 1 == len(taken(tmp_path, good))


def test_files_that_name_no_session_are_different_runs(tmp_path: Path) -> None:
    """The column that names sessions is in one of three files; the other two are not one session."""
    files = [Experiment(visit="v"), Experiment(), Experiment().text()]
    paths = [written(tmp_path, one.balloons().json(), f"{place}.json") for place, one in enumerate(files)]
    sources = msgspec.structs.replace(SOURCES, session_column="visit")
    assert len(told(imported(*paths, sources=sources))[0]) == 3


def test_a_sessions_name_that_is_none_is_refused_once(tmp_path: Path) -> None:
    """As a column may have it: one line for all of its events."""
    trials = [trial for who in ("a b", "c") for trial in Experiment(visit=who).balloons().trials]
    sources = msgspec.structs.replace(SOURCES, session_column="visit")
    sessions, refused = told(imported(written(tmp_path, json.dumps(trials)), sources=sources))
    assert [*sessions] == ["jspsych.c"]
    assert [(item.place, getattr(item.event, "pointer", "")) for item in refused] == [
        ("data.json trial 1", "/session_id")
    ]


def test_a_column_may_name_the_sessions(tmp_path: Path) -> None:
    """If somebody asks for it, and it does not stand for several people."""
    trials = [
        trial for who in "ab" for trial in Experiment(subject_id=who, visit=f"v-{who}").balloons().trials
    ]
    named = Sources(consent_basis="declared:test", session_column="visit")
    sessions = told(imported(written(tmp_path, json.dumps(trials)), sources=named))[0]
    assert [*sessions] == ["jspsych.v-a", "jspsych.v-b"]
    for trial in trials:
        trial["visit"] = "1"
    with pytest.raises(NotOfThisForm, match="several people"):
        imported(written(tmp_path, json.dumps(trials)), sources=named)
    elsewhere = Sources(consent_basis="declared:test", session_column="wave")
    with pytest.raises(NotOfThisForm, match="--session-from"):
        imported(written(tmp_path, json.dumps(trials)), sources=elsewhere)


def test_a_session_without_a_game_is_none(tmp_path: Path) -> None:
    """Its trials are counted."""
    skipped: Counter[str] = Counter()
    assert imported(written(tmp_path, Experiment().text().text().json()), skipped=skipped) == []
    assert skipped == {"trial_type html-keyboard-response": 2}


# ------------------------------------------------------------------------------------------------ games of one session


def test_games_follow_one_another_and_trials_of_none_may_stand_between(tmp_path: Path) -> None:
    """Balloons, a page, more balloons: one playing. Then reactions, then balloons again: three games of one session."""
    experiment = Experiment().balloons().text().balloons().reactions().text().balloons()
    parsed = taken(tmp_path, experiment)
    measures = the_one(parsed)
    assert codes(measures) <= {"Q_COARSE_CLOCK"}
    assert [(game.game, game.tally.planned) for game in measures.games] == [
        ("balloon_risk", 8),
        ("reaction_timer", 12),
        ("balloon_risk", 4),
    ]
    (session,) = told(parsed)[0].values()
    times = [int(str(event["t_us"])) for event in session]
    assert times == sorted(times)
    assert [event["seq"] for event in session] == list(range(len(session)))
    assert (
        session[-1]["t_us"] == (experiment.ms - 500) * 1000
    )  # the last money, half a second before its trial ended


def test_practice_is_told_and_never_scored(tmp_path: Path) -> None:
    """By the column and the value that are named."""
    experiment = Experiment().balloons(phase="practice").balloons(phase="test").reactions(phase="test")
    measures = the_one(taken(tmp_path, experiment, practice=("phase", "practice")))
    tally = measures.games[0].tally
    assert (tally.planned, tally.scored, tally.practice) == (4, 4, 4)
    gives(measures, {"balloon.n": 4, "balloon.aap": 3, "rt.n_valid": 10})
    flagged = Experiment().balloons(practice=True).balloons(practice=False)
    assert the_one(taken(tmp_path, flagged, practice=("practice", "true"))).games[0].tally.practice == 4


def test_reactions_may_be_chosen_by_a_column(tmp_path: Path) -> None:
    """Then they need no correct_response: the one key that was pressed is the right one; two would have to be said."""
    experiment = Experiment()
    for rt in RIGHT_MS:
        experiment.reaction("f", rt, "f")
    for trial in experiment.trials:
        trial.pop("correct_response", None)
    measures = the_one(taken(tmp_path, experiment, reactions=("task", "response")))
    assert measures.games[0].match == {"kind": "simple", "trials": 10}
    gives(measures, {"rt.n_valid": 10, "rt.mean": mean(RIGHT_MS)})
    experiment.trials[-1]["response"] = "j"
    with pytest.raises(NotOfThisForm, match="correct_response"):
        taken(tmp_path, experiment, reactions=("task", "response"))


def test_a_trial_may_have_waited_for_so_long_and_no_longer(tmp_path: Path) -> None:
    """The timeout that is said is the game's; a missed trial began so long before its end."""
    parsed = taken(tmp_path, Experiment().reactions(), timeout_ms=1_700)
    (missed,) = of_kind(parsed, "reaction_timer.missed")
    *_, shown = of_kind(parsed, "reaction_timer.stimulus_shown")
    assert missed["timeout_us"] == 1_700_000
    assert int(str(missed["t_us"])) - int(str(shown["t_us"])) == 1_700_000
    assert codes(the_one(parsed)) <= {"Q_COARSE_CLOCK"}
    unsaid = taken(tmp_path, Experiment().reactions())
    (missed,) = of_kind(unsaid, "reaction_timer.missed")
    assert missed["timeout_us"] == 1000 * max(RIGHT_MS)  # within which nobody pressed there either
    assert codes(the_one(unsaid)) <= {"Q_COARSE_CLOCK"}


def test_a_session_in_which_nobody_ever_pressed_is_told(tmp_path: Path) -> None:
    """All missed, nothing measured."""
    measures = the_one(taken(tmp_path, Experiment().reaction("f", None, None).reaction("j", None, None)))
    gives(measures, {"rt.n_missed": 2, "rt.n_valid": 0, "rt.median": "no_valid_responses"})


@pytest.mark.parametrize(
    ("trial_types", "device"),
    [
        (["html-keyboard-response", "image-keyboard-response"], "keyboard"),
        (["html-keyboard-response", "html-button-response"], "unknown"),
        ([], "unknown"),
    ],
)
def test_the_device_is_a_keyboard_where_every_reaction_was_a_key(
    trial_types: list[str], device: str, tmp_path: Path
) -> None:
    """A button may have been clicked or touched, and so may a balloon."""
    experiment = Experiment().text().balloons()
    for trial_type in trial_types:
        experiment.add(trial_type, 900, rt=400, response="f", correct_response="f")
    (session,) = told(imported(written(tmp_path, experiment.csv())))[0].values()
    assert session[0]["device_input"] == device


def test_keys_are_compared_without_regard_to_case(tmp_path: Path) -> None:
    """As jsPsych compares them."""
    parsed = taken(tmp_path, Experiment().reaction("F", 400, "f").reaction("J", 500, "J"))
    gives(the_one(parsed), {"rt.n_valid": 2, "rt.choice_accuracy": 1})


def test_money_may_be_a_currency(tmp_path: Path) -> None:
    """Five hundredths a pump are five cents; nothing earned yet is worth one."""
    (shown, *_) = of_kind(taken(tmp_path, Experiment().balloons(points=0.05)), "balloon_risk.shown")
    assert shown["value_per_pump_c"] == 5
    measures = the_one(taken(tmp_path, Experiment().balloons(points=0.25)))
    assert codes(measures) == set()
    burst = Experiment().balloon([500], None).balloon([], 900)
    (shown, *_) = of_kind(taken(tmp_path, burst), "balloon_risk.shown")
    assert shown["value_per_pump_c"] == 1


def test_how_long_the_buttons_are_dead_may_be_said(tmp_path: Path) -> None:
    """Without an animation a latency runs from the pump before."""
    pumped = of_kind(taken(tmp_path, Experiment().balloons(), pump_animation_ms=0), "balloon_risk.pumped")
    assert [event["latency_us"] for event in pumped[:3]] == [1_000_000, 800_000, 800_000]


# ------------------------------------------------------------------------------------------------ attention


def interactions() -> list[Fields]:
    times = [("blur", 2_000), ("focus", 9_000), ("fullscreenexit", 9_500), ("fullscreenenter", 9_600)]
    return [{"event": event, "trial": 1, "time": time} for event, time in times]


@pytest.mark.parametrize("where", ["rows", "rows of a table", "the last trial", "every trial", "text"])
def test_attention_is_kept_where_it_is_told(where: str, tmp_path: Path) -> None:
    """Rows of getInteractionData() among the trials, or a list of them within; each counts once, in its place of time."""
    experiment = Experiment().text().balloons()
    match where:
        case "rows" | "rows of a table":
            experiment.trials += interactions()
        case "the last trial":
            experiment.trials[-1]["interactions"] = interactions()
        case "every trial":
            for trial in experiment.trials:
                trial["interaction_data"] = interactions()
        case _:
            experiment.trials[0]["interactions"] = json.dumps(interactions())
    skipped: Counter[str] = Counter()
    text = experiment.csv() if where == "rows of a table" else experiment.json()
    parsed = imported(written(tmp_path, text), skipped=skipped)
    measures = the_one(parsed)
    assert (measures.attention.blurs, measures.attention.blurred_us) == (1, 7_000_000)
    assert codes(measures) == set()
    assert [event["action"] for event in of_kind(parsed, "session.interaction")] == [
        *("blur", "focus", "fullscreen_exit", "fullscreen_enter")
    ]
    (session,) = told(parsed)[0].values()
    times = [int(str(event["t_us"])) for event in session]
    assert times == sorted(times)
    assert skipped == {"trial_type html-keyboard-response": 1}


@pytest.mark.parametrize("listed", ["5", "x", [1], [{"event": "blur"}], [{"event": "nap", "time": 1}]])
def test_an_interaction_that_cannot_be_read_is_counted(listed: object, tmp_path: Path) -> None:
    """It costs nobody anything."""
    experiment = Experiment().balloons()
    experiment.trials[0]["interactions"] = listed
    skipped: Counter[str] = Counter()
    measures = the_one(imported(written(tmp_path, experiment.json()), skipped=skipped))
    assert skipped == {"interaction that cannot be read": 1}
    assert measures.metrics == the_one(taken(tmp_path, Experiment().balloons())).metrics


# ------------------------------------------------------------------------------------------------ dirt


BENT_BALLOONS: dict[str, Fields] = {
    "no pumps": {"pumps": None},
    "pumps in words": {"pumps": "three"},
    "another count": {"pumps": 4},
    "no times": {"pump_times": None},
    "a time in words": {"pump_times": [1, 2, "soon"]},
    "popped at no pump": {"pumps": 0, "pump_times": [], "popped": True, "points_earned": 0},
    "neither popped nor not": {"popped": "perhaps"},
    "money at no time": {"collect_time": None},
    "other money": {"points_earned": 7},
    "no money": {"points_earned": None},
    "no clock": {"time_elapsed": "soon"},
    "a clock beyond all": {"time_elapsed": 10**18},
}


@pytest.mark.parametrize("name", BENT_BALLOONS)
def test_a_balloon_that_cannot_be_read_is_one_hole(name: str, tmp_path: Path) -> None:
    """It is named, it was planned, it does not count; those around it do."""
    experiment = Experiment().balloons().balloons()
    experiment.trials[4] |= BENT_BALLOONS[name]
    parsed = taken(tmp_path, experiment)
    (refused,) = told(parsed)[1]
    assert refused.place == "data.json trial 5"
    measures = the_one(parsed)
    tally = measures.games[0].tally
    assert (tally.planned, tally.scored) == (8, 7)
    assert codes(measures) == {"sequence_gap"}


BENT_REACTIONS: dict[str, Fields] = {
    "no response": {"response": None},
    "two responses": {"response": ["f", "j"]},
    "time in words": {"rt": "fast"},
    "no clock": {"time_elapsed": None},
    "several right keys": {"correct_response": ["f", "j"]},
}


@pytest.mark.parametrize("name", BENT_REACTIONS)
def test_a_trial_that_cannot_be_read_is_one_hole(name: str, tmp_path: Path) -> None:
    """The same for a reaction."""
    experiment = Experiment().reactions()
    experiment.trials[5] |= BENT_REACTIONS[name]
    parsed = taken(tmp_path, experiment)
    (refused,) = told(parsed)[1]
    assert refused.place == "data.json trial 6"
    measures = the_one(parsed)
    assert (measures.games[0].tally.planned, measures.games[0].tally.scored) == (12, 11)
    assert codes(measures) <= {"sequence_gap", "Q_COARSE_CLOCK"}


def test_a_clock_that_runs_back_in_the_data_runs_back_in_the_events(tmp_path: Path) -> None:
    """Such clocks are in published data; the session is told as it is, and noticed."""
    experiment = Experiment().balloons().reactions()
    for trial in experiment.trials[8:]:
        trial["time_elapsed"] = int(str(trial["time_elapsed"])) - 11_344
    assert "Q_CLOCK" in codes(the_one(taken(tmp_path, experiment)))


def test_a_clock_that_is_rounded_does_not_run_back(tmp_path: Path) -> None:
    """Reaction times and the experiment's clock are rounded each by itself: a millisecond is nobody's fault."""
    experiment = Experiment()
    for i, rt in enumerate(RIGHT_MS):
        took_ms = rt + (-1, 1)[i % 2]
        experiment.add("html-keyboard-response", took_ms, rt=rt, response="f", correct_response="f")
    assert "Q_CLOCK" not in codes(the_one(taken(tmp_path, experiment)))


CELLS = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 5), st.floats(), st.text(max_size=3), st.just("f")),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["event", "time"]), inner)
    ),
    max_leaves=4,
)
COLUMNS = [
    *("rt", "response", "key_press", "correct_response", "time_elapsed", "pumps", "popped", "pump_times"),
    *("collect_time", "points_earned", "interactions", "event", "time", "subject", "run_id", "trial_type"),
]


@given(
    bent=st.lists(st.tuples(st.integers(0, 28), st.sampled_from(COLUMNS), CELLS), max_size=8),
    as_json=st.booleans(),
)
def test_whatever_stands_in_the_cells_it_is_told_or_refused(
    *, bent: list[tuple[int, str, object]], as_json: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Every session that is told is whole but for its named holes, and can be measured."""
    experiment = Experiment(subject="a").text().balloons().reactions()
    for place, column, value in bent:
        experiment.trials[place][column] = value
    text = experiment.json() if as_json else experiment.csv()
    path = written(tmp_path_factory.getbasetemp(), text, "fuzz")
    try:
        parsed = imported(path)
    except NotOfThisForm:
        return
    sessions, refused_places = told(parsed)
    lasts = [session[-1] for session in sessions.values()]
    assert all(last["kind"] == "session.completed" and last["seq"] == last["last_seq"] for last in lasts)
    whole = sum(
        getattr(item.event, "session_id", None) is None for item in refused_places
    )  # a person without a name
    assert sum(int(str(last["seq"])) + 1 for last in lasts) == len(parsed) - whole
    assert len(parsed) == sum(map(len, sessions.values())) + len(refused_places)
    negative = any(int(str(event["t_us"])) < 0 for session in sessions.values() for event in session)
    assert negative or measured(parsed) is not None
