"""The short form of `make science`: few people, the same steps, and a page that tells what does not hold."""

from statistics import fmean

import pytest

from benchmarks import acceptance
from benchmarks.coverage import Row, coverage
from benchmarks.recovery import Line
from science.mapping import load


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """Eight people, eight sessions each."""
    return coverage(acceptance.MAPPING, 8, 8, 30)


def test_every_metric_and_trait_has_a_row_and_its_interval_mostly_holds(rows: list[Row]) -> None:
    """64 sessions tell a share of .95 from one of .8; `make science` takes 2,040."""
    traits = load(acceptance.MAPPING).mapping.traits
    heard = {metric.metric for rule in traits.values() for metric in rule.metrics}
    assert {row.name for row in rows} == heard | set(traits)
    for row in rows:
        assert row.sessions + row.left_out == 64
        assert row.coverage > 0.75, row
        assert row.worst <= row.coverage
    assert fmean(row.coverage for row in rows) > 0.92


def test_what_does_not_hold_is_named_and_the_exit_code_says_so(
    rows: list[Row], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every line of the page comes from what was measured."""
    line = Line("a trait comes back", "at least 0.9", "0.95", holds=True)
    held = [row._replace(coverage=0.95) for row in rows]
    monkeypatch.setattr(acceptance, "recovery", lambda people: [line])
    monkeypatch.setattr(acceptance, "coverage", lambda *_: held)
    assert acceptance.main(["--people", "8", "--sessions", "8"]) == 0
    page = capsys.readouterr().out
    assert "| a trait comes back | at least 0.9 | 0.95 | holds |" in page
    assert all(f"| {row.name} | 0.950 | 0.950 | 0.950 |" in page for row in rows)
    short = [row._replace(coverage=0.89) for row in rows]
    monkeypatch.setattr(acceptance, "coverage", lambda *_: short)
    assert acceptance.main([]) == 1
    failed = capsys.readouterr().err.splitlines()
    assert "does not hold: risk_tolerance" in failed
    assert "does not hold: balloon.cv_adj" not in failed  # .88 is asked of it
