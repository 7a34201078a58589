"""The chaos harness's short form: a kill amid a round, a freeze, a rebalance and a broker's restart, and every profile is right."""

import pytest

from tests.benchmarks.short_form import told_by


@pytest.mark.kafka
def test_nothing_is_lost_doubled_or_wrong_under_faults() -> None:
    """Each kind of fault comes once."""
    (told,) = told_by("chaos")
    assert told["is_right"]
    assert told["sessions"] > 0
    assert set(told["faults"].values()) == {1}
    assert len(told["faults"]) == 4
