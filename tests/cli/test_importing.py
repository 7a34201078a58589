"""Import as a command: from the file to the metrics, with the options of each form."""

import gzip
import json
from pathlib import Path

import pytest

from streams.sqlite import SqliteLog
from tests.agents.doors import the_log
from tests.agents.test_seed_form import end, pump
from tests.cli.kymograph import kymograph, told
from tests.importers import test_bids, test_jspsych
from tests.importers.tables import presses, table
from tests.importers.test_ds000030_reactions import trials, written

engine = pytest.mark.clickhouse


def values(folder: Path) -> dict[str, dict[str, float | None]]:
    """Each session's metrics that have a value."""
    lines = told(kymograph("metrics", "--all", "--json", data=folder))
    return {
        line["session_id"]: {name: metric["value"] for name, metric in line["metrics"].items()}
        for line in lines
    }


def taken_twice(folder: Path, *arguments: object) -> dict[str, object]:
    """Import, and import again: the second time everything is a duplicate in the fold. The first counts."""
    first, second = (told(kymograph("import", *arguments, "--json", data=folder))[0] for _ in range(2))
    for counts in (first, second):
        assert counts["read"] == counts["accepted"] + counts["duplicate"] + counts["rejected"]
    assert first["scored"] == {"counted": first["read"]}
    assert second["scored"] == {"duplicate": first["read"]}
    assert isinstance(first, dict)
    return first


@engine
def test_bids_runs_are_imported_and_scored(tmp_path: Path) -> None:
    """Several files, a session each; control balloons are counted."""
    paths = [
        test_bids.written(tmp_path, test_bids.run(), test_bids.NAME.replace("run-01", f"run-0{number}"))
        for number in (1, 2)
    ]
    counts = taken_twice(tmp_path / "data", "bids", "--dataset", "ds000001", *paths)
    assert counts["skipped"] == {"trial_type control_pumps_demean": 8}
    found = values(tmp_path / "data")
    names = [f"ds000001.sub-01_task-balloonanalogrisktask_run-0{number}" for number in (1, 2)]
    assert sorted(found) == names
    assert found[names[0]] == found[names[1]]
    assert found[names[0]]["balloon.aap"] == 2.25


@engine
def test_jspsychs_balloons_are_imported_and_nobody_stands_in_the_log(tmp_path: Path) -> None:
    """The participant's id is in the data, and in no byte of the log."""
    person = "5f8d0e55c3ab2e0b7d1a44e0"
    experiment = test_jspsych.Experiment(PROLIFIC_PID=person).text().balloons()
    path = test_jspsych.written(tmp_path, experiment.json())
    taken_twice(tmp_path / "data", "jspsych", "--max-pumps", 20, "--burst-law", "uniform", path)
    ((session_id, found),) = values(tmp_path / "data").items()
    assert (found["balloon.n"], found["balloon.aap"], found["balloon.intended_km"]) == (4, 3, 3)
    log = SqliteLog(tmp_path / "data" / "log.sqlite")
    try:
        records = the_log(log)
    finally:
        log.close()
    assert len(records) > 20
    assert person not in session_id
    assert not any(person.encode() in record.key + record.value for record in records)


@engine
def test_jspsychs_reactions_are_imported_and_scored(tmp_path: Path) -> None:
    """A CSV file, a practice block, a timeout that is said."""
    experiment = test_jspsych.Experiment(subject="b").reactions(block="practice").reactions(block="main")
    path = test_jspsych.written(tmp_path, experiment.csv(), "data.csv")
    options = ("--practice", "block=practice", "--timeout-ms", 2_000, "--session-from", "subject")
    taken_twice(tmp_path / "data", "jspsych", *options, path)
    found = values(tmp_path / "data")["jspsych.b"]
    assert (found["rt.n_valid"], found["rt.n_missed"], found["rt.mean"]) == (10, 1, 480)


@engine
def test_both_tables_of_ds000030_are_one_session_of_two_games(tmp_path: Path) -> None:
    """Balloons and reactions of one person, and each alone of two others."""
    bart = tmp_path / "bart.csv"
    bart.write_text(table([*presses("sub-1"), *presses("sub-2")]))
    choice_rt = written(tmp_path, [*trials(), *(["sub-3", *line[1:]] for line in trials())])
    taken_twice(tmp_path / "data", "ds000030", "--bart", bart, "--choice-rt", choice_rt)
    found = values(tmp_path / "data")
    assert sorted(found) == ["ds000030.sub-1", "ds000030.sub-2", "ds000030.sub-3"]
    assert (found["ds000030.sub-1"]["balloon.n"], found["ds000030.sub-1"]["rt.n_valid"]) == (12, 12)
    assert (found["ds000030.sub-2"]["balloon.n"], found["ds000030.sub-3"]["rt.n_valid"]) == (12, 12)


@engine
def test_compressed_json_lines_come_from_a_file_or_from_a_pipe(tmp_path: Path) -> None:
    """They are known by their first bytes; cut short, they are no end of the input, and nothing is closed."""
    events = [pump(1, 500), pump(2, 900), end(40_000)]
    packed = gzip.compress("".join(json.dumps(event) + "\n" for event in events).encode())
    path = tmp_path / "events.jsonl.gz"
    path.write_bytes(packed)
    (piped,) = told(kymograph("import", "jsonl", "-", "--json", data=tmp_path / "a", stdin=packed))
    (read,) = told(kymograph("import", "jsonl", path, "--json", data=tmp_path / "b"))
    assert piped == read
    assert (read["accepted"], read["rejected"]) == (3, 0)
    path.write_bytes(packed[:-6])
    result = kymograph("import", "jsonl", path, data=tmp_path / "c", code=2)
    assert "send the whole input again" in result.stderr


USAGE = {
    "neither table": ("ds000030",),
    "no data set": ("bids", "{file}"),
    "no file of BIDS": ("bids", "--dataset", "d"),
    "no file of jsPsych": ("jspsych",),
    "a law that nobody knows": ("jspsych", "--burst-law", "mine", "{file}"),
    "a column without a value": ("jspsych", "--practice", "phase", "{file}"),
    "a value without a column": ("jspsych", "--reactions", "=x", "{file}"),
    "one pump at most": ("jspsych", "--max-pumps", "1", "{file}"),
    "no consent": ("jspsych", "--consent-basis", "", "{file}"),
    "a blank consent": ("bids", "--dataset", "d", "--consent-basis", "  ", "{file}"),
    "a consent too long": ("jspsych", "--consent-basis", "c" * 257, "{file}"),
    "a data set that no session's name can begin with": ("bids", "--dataset", "a b/c", "{file}"),
    "a data set without a name": ("bids", "--dataset", "", "{file}"),
    "a data set too long": ("bids", "--dataset", "d" * 300, "{file}"),
}


@pytest.mark.parametrize("name", USAGE)
def test_a_wrong_use_is_exit_2_and_touches_nothing(name: str, tmp_path: Path) -> None:
    """With a hint."""
    path = tmp_path / "sub-1_events.tsv"
    path.write_text("a\tb\n")
    arguments = [part.format(file=path) for part in USAGE[name]]
    assert kymograph("import", *arguments, data=tmp_path / "data", code=2).stderr
    assert not (tmp_path / "data").exists()


def test_an_option_that_the_door_would_not_take_is_told_in_the_doors_words(tmp_path: Path) -> None:
    """By the option's own name, with what is allowed."""
    path = test_bids.written(tmp_path, test_bids.run())
    result = kymograph("import", "bids", "--dataset", "a b/c", path, data=tmp_path / "data", code=2)
    assert "'--dataset': dataset is 'a b/c', allowed is ^[A-Za-z0-9]" in result.stderr
    result = kymograph("import", "bids", "--dataset", "d", "--consent-basis", "", path, code=2)
    assert "'--consent-basis': consent_basis is blank" in result.stderr


@engine
def test_an_import_of_which_nothing_was_taken_is_exit_1(tmp_path: Path) -> None:
    """Its counts are printed all the same; what is known already, or partly taken, or nothing at all is 0."""
    path = test_bids.written(tmp_path, test_bids.run())
    long = ("import", "bids", "--dataset", "d" * 60, path)
    result = kymograph(*long, data=tmp_path / "data", code=1)
    assert "read 1 = accepted 0 + duplicate 0 + rejected 1" in result.stdout
    assert "session_id has 101 characters, allowed is 0..64" in result.stderr
    assert result.stderr.count("\n") == 1
    assert kymograph("sessions", data=tmp_path / "data").stdout == ""
    one = json.dumps(pump(1)).encode() + b"\n"
    for stdin, code in ((b"{}\n", 1), (b"", 0), (one + b"{\n", 0), (one, 0)):
        kymograph("import", "jsonl", "-", data=tmp_path / "data", stdin=stdin, code=code)


@pytest.mark.parametrize("form", ["ds000030", "jsonl", "jspsych", "bids"])
def test_the_help_says_when_an_import_exits_with_1(form: str) -> None:
    """For scripts."""
    assert "Exits with 1" in kymograph("import", form, "--help").stdout


@engine
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("bids", "--dataset", "d", "sub-1_events.tsv"), "response_time"),
        (("jspsych", "sub-1_events.tsv"), "time_elapsed"),
        (("jspsych", "balloons.json"), "--max-pumps"),
        (("jspsych", "--max-pumps", "20", "--session-from", "wave", "balloons.json"), "wave"),
    ],
)
def test_a_file_that_is_not_of_the_form_is_exit_2(
    arguments: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    """What it lacks, or what is to be said, is named; nothing is recorded."""
    test_bids.written(tmp_path, [], "sub-1_events.tsv", "onset trial_type")
    test_jspsych.written(tmp_path, test_jspsych.Experiment().balloons().json(), "balloons.json")
    named = [str(tmp_path / part) if part.endswith(("tsv", "json")) else part for part in arguments]
    assert said in kymograph("import", *named, data=tmp_path / "data", code=2).stderr
    assert kymograph("sessions", data=tmp_path / "data").stdout.strip() in {"", "no sessions"}
