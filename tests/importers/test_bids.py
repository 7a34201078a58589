"""Balloon tasks in BIDS: ``importers/bids.py``.

The tables are made here in the forms of OpenNeuro ds000001 and ds000030 (both CC0), from what is known of their columns; no row is
copied from them.
"""

import gzip
from collections import Counter
from collections.abc import Sequence
from math import log
from pathlib import Path
from statistics import mean, stdev

import pytest

from importers.bids import Terms, events
from importers.importing import Parsed
from importers.tables import NotOfThisForm
from science.measure import Measures
from tests.importers.tables import HEADER, presses, table
from tests.importers.told import Fields, gives, measured, the_one, told

TERMS = Terms(
    dataset="ds000001", consent_basis="public_dataset:ds000001:CC0", max_pumps=12, burst_law="uniform"
)
NAME = "sub-01_task-balloonanalogrisktask_run-01_events.tsv"
COLUMNS = (
    "onset duration trial_type cash_demean control_pumps_demean explode_demean pumps_demean response_time"
)

# A run in letters, each with its response time in s: p a pump, c the money, x an explosion, g a pump of a gray control balloon.
RUN = (
    "p0.9 p0.6 p0.7 c1.1  g0.4 g0.4 g0.4  p1.2 p0.5 x  p0.8 p0.45 p0.65 p0.55 c1.3  c0.75  "
    "p0.85 x  g0.5  p0.95 p0.52 c1.25"
)
PUMP_MS = [900, 600, 700, 1200, 500, 800, 450, 650, 550, 850, 950, 520]
COLLECT_MS = [1100, 1300, 750, 1250]
TYPES = {"p": "pumps_demean", "c": "cash_demean", "x": "explode_demean", "g": "control_pumps_demean"}


def run(letters: str = RUN) -> list[list[str]]:
    """The rows of a run: two seconds after a response the next balloon, or the burst one, is shown."""
    rows, seconds = [], 0.061
    for step in letters.split():
        kind, wait = TYPES[step[0]], step[1:]
        demeaned = ["0.000" if name == kind else "n/a" for name in COLUMNS.split()[3:7]]
        rows.append([f"{seconds:.3f}", "0.772", kind, *demeaned, f"{float(wait):.3f}" if wait else "n/a"])
        seconds += float(wait or 0) + 2
    return rows


def written(folder: Path, rows: Sequence[Sequence[str]], name: str = NAME, columns: str = COLUMNS) -> Path:
    path = folder / name
    text = "".join("\t".join(line) + "\n" for line in [columns.split(), *rows])
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def imported(*paths: Path, terms: Terms = TERMS, skipped: Counter[str] | None = None) -> list[Parsed]:
    return [*events(paths, terms, Counter() if skipped is None else skipped)]


def codes(measures: Measures) -> set[str]:
    return {finding.code for finding in measures.findings}


def test_a_known_run_gives_the_metrics_worked_out_by_hand(tmp_path: Path) -> None:
    """Collected 3, 4, 0 and 2 pumps, burst at 2 and at 1; the control balloons are no part of it."""
    skipped: Counter[str] = Counter()
    measures = the_one(imported(written(tmp_path, run()), skipped=skipped))
    gives(
        measures,
        {
            "balloon.n": 6,
            "balloon.n_exploded": 2,
            "balloon.n_collected": 4,
            "balloon.n_pumps": 12,
            "balloon.aap": 9 / 4,
            "balloon.mean_pumps_all": 2,
            "balloon.explosion_rate": 1 / 3,
            "balloon.sd_adj": stdev([3, 4, 0, 2]),
            # at 0 to 4 pumps 6, 4, 3, 2, 1 balloons were at risk of the money, and 1, 0, 1, 1, 1 took it
            "balloon.intended_km": 5 / 6 + 5 / 6 + 5 / 6 * 2 / 3 + 5 / 6 * 2 / 3 * 1 / 2,
            "balloon.efficiency": 9 / (6 * 3),
            "balloon.mean_ln_latency": mean(map(log, PUMP_MS)),
            "balloon.sd_ln_latency": stdev(map(log, PUMP_MS)),
            "balloon.collect_ln": mean(map(log, COLLECT_MS)),
        },
    )
    assert skipped == {"trial_type control_pumps_demean": 4}
    assert codes(measures) == {"Q_NO_PUMP"}
    assert measures.games[0].match == {"burst_law": "uniform", "max_pumps": 12}


def test_a_run_is_a_session_named_by_its_file(tmp_path: Path) -> None:
    """Under the data set's name; the subject is the data set's own, so that no other's sub-01 is the same person."""
    two = NAME.replace("run-01", "run-02")
    later = "sub-02_ses-b_events.tsv.gz"
    parsed = imported(
        written(tmp_path, run()), written(tmp_path, run(), two), written(tmp_path, run(), later)
    )
    sessions = told(parsed)[0]
    assert [*sessions] == [
        "ds000001.sub-01_task-balloonanalogrisktask_run-01",
        "ds000001.sub-01_task-balloonanalogrisktask_run-02",
        "ds000001.sub-02_ses-b",
    ]
    assert [session[0]["participant_ref"] for session in sessions.values()] == [
        *("ds000001.sub-01", "ds000001.sub-01", "ds000001.sub-02")
    ]
    assert len({str(measures.metrics) for measures in measured(parsed).values()}) == 1
    assert imported(written(tmp_path, run())) == imported(written(tmp_path, run()))


def test_times_go_over_exactly(tmp_path: Path) -> None:
    """The balloon is shown at its first row's onset; a response comes its response time later, an explosion at its own onset."""
    (session,) = told(imported(written(tmp_path, run("p0.9 p0.6 x"))))[0].values()
    times = [(str(event["kind"]).partition(".")[2], event["t_us"]) for event in session]
    assert times == [
        ("started", 0),
        ("game_started", 0),
        ("shown", 61_000),
        ("pumped", 961_000),
        ("pumped", 3_561_000),
        ("exploded", 5_561_000),
        ("game_completed", 5_561_000),
        ("completed", 5_561_000),
    ]


def test_names_without_demean_are_the_same(tmp_path: Path) -> None:
    """Other tables of the task say pumps, cash and explode."""
    plain = [[cell.removesuffix("_demean") for cell in line] for line in run()]
    assert the_one(imported(written(tmp_path, plain))) == the_one(imported(written(tmp_path, run())))


def test_money_right_after_a_control_balloon_is_counted_and_not_played(tmp_path: Path) -> None:
    """Nobody can say whether it was a balloon of the game, cashed in without a pump."""
    skipped: Counter[str] = Counter()
    measures = the_one(
        imported(written(tmp_path, run("p0.9 c0.5 g0.4 g0.4 c0.5 p0.9 c0.4")), skipped=skipped)
    )
    gives(measures, {"balloon.n": 2, "balloon.aap": 1})
    assert skipped == {"trial_type control_pumps_demean": 2, "trial_type cash_demean of a control balloon": 1}


def test_a_balloon_that_a_control_balloon_cuts_off_has_no_end(tmp_path: Path) -> None:
    """It was planned and does not count, and its pumps are not the next one's."""
    measures = the_one(imported(written(tmp_path, run("p0.9 p0.8 g0.4 p0.9 c0.4"))))
    tally = measures.games[0].tally
    assert (tally.planned, tally.scored, tally.unfinished) == (2, 1, 1)
    gives(measures, {"balloon.n": 1, "balloon.aap": 1})


BENT = {
    "a pump without its time": (1, 7, "n/a"),
    "a pump without its onset": (1, 0, ""),
    "money at no time": (2, 7, "soon"),
    "an explosion at no time": (5, 0, "n/a"),
}


@pytest.mark.parametrize("name", BENT)
def test_a_row_that_cannot_be_read_is_named_and_leaves_a_hole(name: str, tmp_path: Path) -> None:
    """The balloon is void, the session seen to be incomplete; the balloons around it count."""
    place, column, text = BENT[name]
    rows = run("p0.9 p0.8 c0.7 p0.9 p0.8 x p0.5 c0.4")
    rows[place][column] = text
    parsed = imported(written(tmp_path, rows))
    (refused,) = told(parsed)[1]
    assert refused.place == f"{NAME} line {place + 2}"
    measures = the_one(parsed)
    tally = measures.games[0].tally
    assert (tally.planned, tally.scored, tally.void) == (3, 2, 1)
    assert codes(measures) == {"sequence_gap"}


FIRST = {"time": (7, "n/a"), "onset": (0, "")}


@pytest.mark.parametrize("cell", FIRST)
@pytest.mark.parametrize(
    ("letters", "place"), [("p0.9 p0.8 c0.7", 0), ("p0.9 c0.7 p0.9 p0.8 p0.5 c0.7", 2), ("p0.9 p0.8 x", 0)]
)
def test_a_balloon_whose_first_press_cannot_be_read_is_not_scored(
    cell: str, letters: str, place: int, tmp_path: Path
) -> None:
    """Its other presses must not pass for a whole balloon of fewer pumps."""
    rows = run(f"{letters} p0.9 p0.8 p0.7 c0.6")
    column, text = FIRST[cell]
    rows[place][column] = text
    measures = the_one(imported(written(tmp_path, rows)))
    tally = measures.games[0].tally
    assert (tally.planned, tally.scored) == (2 + (place > 0), 1 + (place > 0))
    gives(measures, {"balloon.n_pumps": 3 + (place > 0), "balloon.n_exploded": 0})
    assert codes(measures) == {"sequence_gap"}


def test_an_explosion_after_a_pump_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    """There was a pump; it is the row before that is to be mended."""
    rows = run("p0.9 c0.7 p0.9 x p0.5 c0.4")
    rows[2][7] = "n/a"
    said = [str(getattr(item.event, "message", "")) for item in told(imported(written(tmp_path, rows)))[1]]
    assert said == ["response_time is 'n/a', no number of seconds", "the pump before it could not be read"]


def test_an_explosion_of_nothing_is_refused(tmp_path: Path) -> None:
    """No balloon bursts without a pump; the row is named."""
    parsed = imported(written(tmp_path, run("p0.9 c0.7 x p0.5 c0.4")))
    (refused,) = told(parsed)[1]
    assert "without a pump" in str(getattr(refused.event, "message", ""))
    assert measured(parsed)


# ------------------------------------------------------------------------------------------------ the other form


def test_a_table_of_ds000030s_form_is_read_in_that_studys_terms(tmp_path: Path) -> None:
    """Its own file of a person gives what the joined table of everybody gives: 12 pumps, 5 points, uniform."""
    text = table([*presses(), ("sub-1", "", "", "99", "CONTROL", "ACCEPT")], "\t")
    own = "".join(line.partition("\t")[2] + "\n" for line in text.splitlines())
    path = tmp_path / "sub-1_task-bart_events.tsv"
    path.write_text(own)
    skipped: Counter[str] = Counter()
    terms = Terms(
        dataset="ds000030", consent_basis="public_dataset:ds000030:CC0", max_pumps=64, burst_law="unknown"
    )
    measures = the_one(imported(path, terms=terms, skipped=skipped))
    assert skipped == {"trial_type CONTROL": 1}
    assert measures.session_id == "ds000030.sub-1_task-bart"
    assert measures.games[0].match == {"burst_law": "uniform", "max_pumps": 12}
    gives(measures, {"balloon.n": 12, "balloon.n_exploded": 3, "balloon.aap": 3})


# ------------------------------------------------------------------------------------------------ refusals


def refused(folder: Path, rows: list[list[str]], says: str, **form: str) -> None:
    with pytest.raises(NotOfThisForm, match=says):
        imported(written(folder, rows, **form))


@pytest.mark.parametrize("column", ["onset", "trial_type", "response_time"])
def test_a_missing_column_is_named_with_all_that_are_needed(column: str, tmp_path: Path) -> None:
    """Before anything is told."""
    refused(
        tmp_path, run(), f"no column {column}.*ds000001.*ds000030", columns=COLUMNS.replace(column, "other")
    )


@pytest.mark.parametrize(
    "column", [name for name in HEADER if name not in {"participant_id", "row", "action"}]
)
def test_a_missing_column_of_the_other_form_is_named(column: str, tmp_path: Path) -> None:
    """The column ``action`` says that it is the other form."""
    path = tmp_path / NAME
    path.write_text(table(presses(), "\t").replace(column, "other", 1))
    with pytest.raises(NotOfThisForm, match=f"no column {column}"):
        imported(path)


@pytest.mark.parametrize("name", ["events.tsv", "01_events.tsv", "sub-01_bold.tsv", "sub-01_events.csv"])
def test_a_file_of_another_name_is_refused(name: str, tmp_path: Path) -> None:
    """Whose events they are stands in the name alone."""
    refused(tmp_path, run(), "not named sub-", name=name)


def test_another_tasks_events_are_refused(tmp_path: Path) -> None:
    """They may have the columns; not one row is of a balloon."""
    other = [[*line[:2], "go", *line[3:]] for line in run()]
    refused(tmp_path, other, "no row of a balloon")
    refused(tmp_path, [], "no row of a balloon")


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    """They are of two data sets, and one would pass for a repetition of the other."""
    (tmp_path / "other").mkdir()
    paths = [written(tmp_path, run()), written(tmp_path / "other", run())]
    with pytest.raises(NotOfThisForm, match="one data set at a time"):
        imported(*paths)


def test_a_file_that_is_not_of_this_form_stops_all_before_anything_is_told(tmp_path: Path) -> None:
    """The first file would have been fine."""
    iterator = events(
        [written(tmp_path, run()), written(tmp_path, [], "sub-02_events.tsv")], TERMS, Counter()
    )
    with pytest.raises(NotOfThisForm):
        next(iterator)


def test_the_frame_says_where_the_data_come_from(tmp_path: Path) -> None:
    """Battery, consent and device stand in the session's start."""
    (session,) = told(imported(written(tmp_path, run())))[0].values()
    started: Fields = session[0]
    assert (started["battery"], started["consent_basis"]) == ("ds000001", "public_dataset:ds000001:CC0")
    assert session[1]["config"] == {
        "balloons": 6,
        "burst_law": "uniform",
        "max_pumps": 12,
        "value_per_pump_c": 25,
    }
