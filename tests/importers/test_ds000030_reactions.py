"""The choice reactions of ds000030, alone and with the balloons: ``importers/ds000030.py``."""

import csv
from collections import Counter
from collections.abc import Callable
from math import log
from pathlib import Path
from statistics import mean, median, stdev

import pytest

from importers.ds000030 import TIMEOUT_US, events
from importers.importing import Parsed
from importers.tables import NotOfThisForm
from science.measure import Measures
from tests.end_to_end.test_real_people import NAMES
from tests.importers.tables import presses, table
from tests.importers.told import Fields, gives, measured, the_one, told
from tests.real_people import real_file

HEADER = [
    "participant_id",
    "trial_index",
    "onset",
    "trial_type",
    "PresentedStimulusArrowDirection",
    "ReactionTime",
    "SubjectResponseButton",
    "SubjectResponseCorrectness",
    "TrialOutcome",
    "StopSignalDelay",
]
ONSET, TYPE, ARROW, RT, BUTTON, OUTCOME = 2, 3, 4, 5, 6, 8
Row = list[str]

# Twelve right answers in ms, as somebody might give them.
RIGHT_MS = (412.5, 433.1, 520.25, 389.9, 610.0, 455.5, 402.125, 498.0, 377.75, 530.5, 441.0, 469.375)


def row(index: int, outcome: str, rt: str = "0.0", *, arrow: str = "LEFT", button: str | None = None) -> Row:
    """One GO trial, two seconds after the one before; right answers have their button."""
    pressed = (arrow if outcome == "SuccessfulGo" else "") if button is None else button
    right = "CorrectResponse" if outcome == "SuccessfulGo" else "IncorrectResponse"
    place = [str(index), f"{0.011 + 2 * index:.6f}", "GO", arrow]
    return ["sub-1", *place, rt, pressed, right, outcome, "0.0"]


def trials() -> list[Row]:
    """Twelve right, two wrong (one with its button, one without), one missed, one too fast to be an answer."""
    rows = [
        row(i, "SuccessfulGo", f"{ms / 1000:.6f}", arrow=("LEFT", "RIGHT")[i % 2])
        for i, ms in enumerate(RIGHT_MS)
    ]
    rows.append(row(12, "JUNK", "0.350000", button="RIGHT"))
    rows.append(row(13, "JUNK", "0.360000"))
    rows.append(row(14, "UnuccessfulGo"))
    rows.append(row(15, "SuccessfulGo", "0.001886"))
    return rows


def written(folder: Path, rows: list[Row], name: str = "choice_rt.csv", header: list[str] = HEADER) -> Path:
    path = folder / name
    separator = "\t" if name.endswith(".tsv") else ","
    path.write_text("".join(separator.join(line) + "\n" for line in [header, *rows]))
    return path


def imported(path: Path | None, bart: Path | None = None) -> list[Parsed]:
    return [*events(bart, path, Counter())]


def kinds(session: list[Fields]) -> list[str]:
    return [str(event["kind"]) for event in session]


def codes(measures: Measures) -> set[str]:
    return {finding.code for finding in measures.findings}


def test_known_trials_give_the_metrics_worked_out_by_hand(tmp_path: Path) -> None:
    """Of 16 trials: 12 valid, 2 wrong, 1 missed, 1 anticipated; times over the valid ones alone."""
    measures = the_one(imported(written(tmp_path, trials())))
    inverse = [1000 / ms for ms in RIGHT_MS]
    gives(
        measures,
        {
            "rt.n_valid": 12,
            "rt.n_missed": 1,
            "rt.n_anticipations": 1,
            "rt.median": median(RIGHT_MS),
            "rt.mean": mean(RIGHT_MS),
            "rt.speed_mean_inv": mean(inverse),
            "rt.mean_ln": mean(map(log, RIGHT_MS)),
            "rt.sd_ln": stdev(map(log, RIGHT_MS)),
            "rt.sd": stdev(RIGHT_MS),
            "rt.cv": stdev(RIGHT_MS) / mean(RIGHT_MS),
            "rt.lapses": 3 + 1,  # 520.25, 610 and 530.5 ms, and the missed one
            "rt.choice_accuracy": 12 / 14,
        },
    )
    (game,) = measures.games
    assert (game.tally.planned, game.tally.scored) == (16, 16)
    assert codes(measures) == set()


def test_a_trial_becomes_three_events_with_its_own_times(tmp_path: Path) -> None:
    """Onset and reaction time go over exactly; the trial starts with its stimulus, and no foreperiod is made up."""
    (session,), refused = (
        [*found] if isinstance(found, list) else [*found.values()]
        for found in told(imported(written(tmp_path, trials())))
    )
    assert refused == []
    assert kinds(session)[:5] == [
        "session.started",
        "reaction_timer.game_started",
        "reaction_timer.trial_started",
        "reaction_timer.stimulus_shown",
        "reaction_timer.responded",
    ]
    started, shown, responded = session[2:5]
    assert (started["t_us"], started["foreperiod_us"], started["trial_kind"]) == (11_000, 0, "choice")
    assert (shown["stim"], shown["stim_onset_t_us"]) == ("LEFT", 11_000)
    assert (responded["t_us"], responded["onset_t_us"], responded["latency_us"]) == (423_500, 11_000, 412_500)
    assert [event["seq"] for event in session] == list(range(len(session)))
    assert session[1]["config"] == {
        "foreperiod_max_us": 0,
        "foreperiod_min_us": 0,
        "keys": {"LEFT": "LEFT", "RIGHT": "RIGHT"},
        "kind": "choice",
        "timeout_us": TIMEOUT_US,
        "trials": 16,
    }
    missed = next(event for event in session if event["kind"] == "reaction_timer.missed")
    assert (missed["t_us"], missed["timeout_us"]) == (28_011_000 + TIMEOUT_US, TIMEOUT_US)


def test_a_wrong_key_is_named_where_the_data_name_it(tmp_path: Path) -> None:
    """Else it is known only that it was not the right one; the outcome decides, also against the button."""
    rows = [row(0, "JUNK", "0.4", button=button) for button in ("RIGHT", "", "n/a", "LEFT")]
    rows.append(row(1, "SuccessfulGo", "0.4", button=""))
    (session,) = told(imported(written(tmp_path, rows)))[0].values()
    keys = [event["key"] for event in session if event["kind"] == "reaction_timer.responded"]
    assert keys == ["RIGHT", "not LEFT", "not LEFT", "not LEFT", "LEFT"]


def test_who_pressed_the_wrong_keys_throughout_has_a_reason_and_no_times(tmp_path: Path) -> None:
    """Such people are in the data; nobody says that they pressed one key, for nobody knows."""
    rows = [row(i, "JUNK", f"0.{400 + 7 * i}", arrow=("LEFT", "RIGHT")[i % 2]) for i in range(20)]
    measures = the_one(imported(written(tmp_path, rows)))
    gives(measures, {"rt.n_valid": 0, "rt.choice_accuracy": 0, "rt.median": "no_valid_responses"})
    assert measures.conduct.failed == ()


@pytest.mark.parametrize("outcome", ["SuccessfulGo", "JUNK"])
def test_a_reaction_time_of_0_is_no_response_whatever_the_row_says(outcome: str, tmp_path: Path) -> None:
    """0 is the study's word for none."""
    measures = the_one(imported(written(tmp_path, [*trials(), row(16, outcome, "0.000000")])))
    gives(measures, {"rt.n_missed": 2, "rt.n_valid": 12, "rt.n_anticipations": 1})


def test_stop_trials_are_counted_and_not_played(tmp_path: Path) -> None:
    """They ask for no response; whoever has only such is nobody."""
    stop = row(3, "SuccessfulStop")
    stop[TYPE] = "STOP"
    skipped: Counter[str] = Counter()
    path = written(tmp_path, [stop, *trials(), stop, ["sub-2", *stop[1:]]])
    measures = measured(events(None, path, skipped))
    assert skipped == {"trial_type STOP": 3}
    assert [*measures] == ["ds000030.sub-1"]
    assert measures["ds000030.sub-1"].games[0].tally.planned == 16


def test_a_trial_that_is_cut_short_by_the_next_does_not_turn_the_clock_back(tmp_path: Path) -> None:
    """The timeout is the study's longest; the next trial may begin before it has run out."""
    rows = trials()
    rows[14][OUTCOME], rows[14][RT] = "UnuccessfulGo", "0.0"
    rows[15][ONSET] = f"{0.011 + 28 + 1.5:.6f}"
    (session,) = told(imported(written(tmp_path, rows)))[0].values()
    times = [int(str(event["t_us"])) for event in session]
    assert times == sorted(times)
    assert codes(the_one(imported(written(tmp_path, rows)))) == set()


BENT = {
    "no onset": (ONSET, "n/a"),
    "no time": (RT, ""),
    "a time beyond all": (RT, "1e400"),
    "another arrow": (ARROW, "UP"),
    "no arrow": (ARROW, ""),
    "another outcome": (OUTCOME, "GOOD"),
}


@pytest.mark.parametrize("name", BENT)
def test_a_trial_that_cannot_be_read_is_named_and_leaves_a_hole(name: str, tmp_path: Path) -> None:
    """The session is seen to be incomplete rather than shorter: one number is missing, one trial too few is scored."""
    column, text = BENT[name]
    rows = trials()
    rows[4][column] = text
    parsed = imported(written(tmp_path, rows))
    sessions, (refused,) = told(parsed)
    assert refused.place == "choice_rt.csv line 6"
    (session,) = sessions.values()
    assert session[-1]["last_seq"] == session[-1]["seq"] == len(session)
    measures = the_one(parsed)
    assert "sequence_gap" in codes(measures)
    assert (measures.games[0].tally.planned, measures.games[0].tally.scored) == (16, 15)
    assert codes(measures) == {"sequence_gap"}


def test_the_missed_trial_before_an_unreadable_onset_still_ends(tmp_path: Path) -> None:
    """At its timeout, for nobody knows when the next began."""
    rows = trials()
    rows[15][ONSET] = "n/a"
    (session,) = told(imported(written(tmp_path, rows)))[0].values()
    (missed,) = (event for event in session if event["kind"] == "reaction_timer.missed")
    assert missed["t_us"] == 28_011_000 + TIMEOUT_US


def test_the_studys_own_file_names_the_person_in_its_name(tmp_path: Path) -> None:
    """As it lies in the study: tabs, no participant_id, other columns besides."""
    own = [[*line[1:], "n/a"] for line in trials()]
    header = [*HEADER[1:], "TimeCourse"]
    path = written(tmp_path, own, "sub-1_task-stopsignaltraining_events.tsv", header)
    ours = measured(imported(written(tmp_path, trials())))
    assert measured(imported(path))["ds000030.sub-1"].metrics == ours["ds000030.sub-1"].metrics
    (nameless,) = [written(tmp_path, own, "events.tsv", header)]
    with pytest.raises(NotOfThisForm, match="participant_id"):
        imported(nameless)


@pytest.mark.parametrize("column", [HEADER[place] for place in (0, ONSET, TYPE, ARROW, RT, BUTTON, OUTCOME)])
def test_a_table_without_a_needed_column_is_refused(column: str, tmp_path: Path) -> None:
    """The message names what is missing, and what it should have been."""
    header = [name if name != column else "something" for name in HEADER]
    with pytest.raises(NotOfThisForm, match=f"{column}.*stopsignaltraining_events"):
        imported(written(tmp_path, trials(), header=header))


# ------------------------------------------------------------------------------------------------ both tables


def both(folder: Path) -> tuple[Path, Path]:
    bart = folder / "bart.csv"
    bart.write_text(table([*presses("sub-1"), *presses("sub-2")]))
    return bart, written(folder, [*trials(), *(["sub-3", *line[1:]] for line in trials())])


def test_one_persons_balloons_and_reactions_are_two_games_of_one_session(tmp_path: Path) -> None:
    """Balloons first, the reactions' clock set behind the last of them; time never goes back, and each game measures as it does alone."""
    bart, choice_rt = both(tmp_path)
    parsed = imported(choice_rt, bart)
    sessions, refused = told(parsed)
    assert refused == []
    assert [*sessions] == ["ds000030.sub-1", "ds000030.sub-2", "ds000030.sub-3"]
    session = sessions["ds000030.sub-1"]
    times = [int(str(event["t_us"])) for event in session]
    assert times == sorted(times)
    begins = [event for event in session if str(event["kind"]).endswith("game_started")]
    assert [event["kind"] for event in begins] == ["balloon_risk.game_started", "reaction_timer.game_started"]
    assert int(str(begins[1]["t_us"])) > max(
        int(str(event["t_us"])) for event in session if event["kind"] == "balloon_risk.game_completed"
    )
    together, balloons, reactions = (
        measured(found) for found in (parsed, imported(None, bart), imported(choice_rt))
    )
    assert codes(together["ds000030.sub-1"]) == set()
    for name, metric in together["ds000030.sub-1"].metrics.items():
        alone = balloons if name.startswith("balloon.") else reactions
        if name.startswith(("balloon.", "rt.")):
            assert metric == alone["ds000030.sub-1"].metrics[name], name
    assert together["ds000030.sub-2"] == balloons["ds000030.sub-2"]
    assert together["ds000030.sub-3"] == reactions["ds000030.sub-3"]


def test_equal_tables_give_equal_events(tmp_path: Path) -> None:
    """So a second import is all duplicates."""
    bart, choice_rt = both(tmp_path)
    assert imported(choice_rt, bart) == imported(choice_rt, bart)


# ------------------------------------------------------------------------------------------------ real people


def test_real_people_in_both_tables_reach_the_golden_values_of_both(
    record_property: Callable[[str, object], None],
) -> None:
    """What the importer tells, measured by the science alone: no row is refused, time goes back for nobody's reactions."""
    skipped: Counter[str] = Counter()
    paths = (real_file("ds000030_bart_events.csv.gz"), real_file("ds000030_choice_rt_trials.csv.gz"))
    parsed = [*events(*paths, skipped)]
    assert told(parsed)[1] == []
    assert skipped.keys() == {"trial_type CONTROL", "trial_type STOP"}
    people = measured(parsed)
    assert set().union(*map(codes, people.values())) <= {
        "Q_NO_PUMP",
        "Q_CLOCK",
        "unfinished",
    }  # all of the balloons
    for name in ("golden_bart_metrics.csv", "golden_choice_rt_metrics.csv"):
        with real_file(name).open(newline="") as file:
            for golden in csv.DictReader(file):
                metrics = people[f"ds000030.{golden.pop('participant_id')}"].metrics
                for column, text in golden.items():
                    metric = metrics[NAMES.get(column, column)]
                    assert (metric.value is None) == (text == ""), column
                    if metric.value is not None:
                        assert metric.value / 1_000_000 == pytest.approx(float(text), abs=1e-6), column
    record_property("real_people", len(people))
