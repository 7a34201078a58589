"""The soak: what it calls a true lag, a slope, a capacity and conserved, and its short form against a worker."""

import math
from collections import Counter

import numpy as np
import pytest

from benchmarks.soak import capacity_of
from benchmarks.soak_feed import Ended
from benchmarks.soak_judge import Counted, closed_session_bytes, honesty_of, is_healthy, slope_of
from benchmarks.soak_watch import Look, Told, bounds
from streams.topics import PARTITIONS
from tests.benchmarks.short_form import told_by


def of_each(count: float) -> np.ndarray:
    """So many in every partition."""
    return np.full(PARTITIONS, count, dtype=np.int64)


def look(at_s: float, sent: int, acknowledged: int, committed: int) -> Look:
    """One that took a tenth of a second."""
    return Look(at_s, of_each(sent), of_each(acknowledged), of_each(committed), at_s + 0.1)


def told(records: int, seconds: float, *, at_s: float = 12.5) -> Told:
    """A lag of every partition, measured within a tenth of a second."""
    return Told(at_s, at_s + 0.1, of_each(records), np.full(PARTITIONS, seconds))


# Ten events a second are fed, and five committed.
LOOKS = [look(10 + n, 100 + 10 * n, 95 + 10 * n, 50 + 5 * n) for n in range(10)]


def test_a_lag_is_true_within_what_was_fed_and_committed_meanwhile() -> None:
    """Between the looks at 12 and 13 s: the log held 115 to 130, committed were 60 to 65."""
    allowed = bounds(LOOKS, 12.5, 12.6)
    assert allowed is not None
    assert (allowed.records_min[0], allowed.records_max[0]) == (50, 70)
    assert [allowed.allow(told(records, 3.0)) for records in (49, 50, 70, 71)] == [False, True, True, False]


def test_one_partition_that_is_wrong_makes_it_untrue() -> None:
    """A sum that is right by chance is not the truth."""
    off = told(60, 3.0)
    off.records[0] -= 20
    off.records[1] += 20
    assert honesty_of(LOOKS, [told(60, 3.0), off])["untrue"] == 1


def test_its_age_is_that_of_an_event_which_was_sent_between_two_looks() -> None:
    """The event at 105 was not sent at 10 s, and acknowledged by the end of the look at 12 s."""
    looks = [look(10 + n, 100 + 10 * n, 95 + 10 * n, 102 + n) for n in range(10)]
    allowed = bounds(looks, 13.5, 13.6)  # committed: 105 or 106
    assert allowed is not None
    assert (allowed.seconds_min[0], allowed.seconds_max[0]) == pytest.approx((13.5 - 12.1, 13.5 - 10))
    is_true = [allowed.allow(told(25, age_s, at_s=13.5)) for age_s in (1.3, 1.4, 3.5, 3.6, math.inf)]
    assert is_true == [False, True, True, False, False]


def test_a_lag_of_nothing_is_true_where_all_is_committed() -> None:
    """And an age of 0 with it."""
    looks = [look(at_s, 100, 100, 100) for at_s in (10, 11, 12)]
    found = honesty_of(looks, [told(0, 0.0, at_s=11.5), told(1, 0.0, at_s=11.5), told(0, 0.1, at_s=11.5)])
    assert (found["judged"], found["untrue"]) == (3, 2)
    assert (found["tolerance_records_median"], found["tolerance_seconds_median"]) == (0, 0.0)


def test_without_a_look_on_either_side_nothing_is_judged() -> None:
    """Before the first and after the last."""
    assert honesty_of(LOOKS, [told(0, 0.0, at_s=9), told(0, 0.0, at_s=19.5)])["judged"] == 0


def test_the_slope_and_its_error_are_those_of_least_squares() -> None:
    """Of a line with a residual of 1, -2, 1 around 0.5 a minute: 6 / (3 - 2) / 2 under the root."""
    assert slope_of([0, 1, 2], [11.0, 8.5, 12.0]) == (0.5, round(math.sqrt(6 / 2), 3))
    assert slope_of([5, 6, 7, 8], [1.0, 1.0, 1.0, 1.0]) == (0.0, 0.0)
    assert slope_of([0, 1], [1.0, 2.0]) is None


def test_the_capacity_is_taken_from_the_first_commit_to_the_last_but_one() -> None:
    """What precedes the first is not known, and before the last the worker may have waited."""
    commits = [0, 0, 10, 10, 30, 50, 53, 53]
    looks = [look(n, 60, 60, count) for n, count in enumerate(commits)]
    assert capacity_of(looks) == pytest.approx((PARTITIONS * 40 / 3, 3.0))
    assert capacity_of(looks[:4]) == (0.0, 0.0)


def test_all_is_counted_or_it_is_not() -> None:
    """An event too few or too many, a session open or closed too much, a profile that lacks or is nobody's."""
    ended = Ended(["a", "b"], 3)
    outcomes = {"counted": 30, "late": 0}
    right = Counted(30, 30, outcomes, 1, 2, 0, Counter({"a": 1, "b": 1}))
    assert right.is_all(ended)
    wrong = [
        {"fed": 31},
        {"in_the_log": 29},
        {"outcomes": {"counted": 29, "late": 1}},
        {"outcomes": {"counted": 30, "late": 1}},
        {"open_sessions": 2},
        {"closed_sessions": 1},
        {"profiles": Counter({"a": 2})},
        {"profiles": Counter({"a": 1, "b": 1, "c": 1})},
    ]
    assert not any(right._replace(**one).is_all(ended) for one in wrong)


def test_health_says_what_it_is() -> None:
    """Alive, and degraded where more is behind than the limit, by the number that was told as its lag."""
    lags = [told(10, 1.0), told(10_000, 1.0)]

    def sample(status: str, observed: int, live: str = "ok") -> dict[str, object]:
        progress = {"status": status, "observed": observed}
        return {"live": live, "ready": status, "progress": progress, "answered_s": 14.0}

    assert is_healthy(sample("ok", 10 * PARTITIONS), lags)
    assert is_healthy(sample("degraded", 10_000 * PARTITIONS), lags)
    assert not is_healthy(sample("ok", 10_000 * PARTITIONS), lags)
    assert not is_healthy(sample("ok", 11), lags)
    assert not is_healthy(sample("unhealthy", 10 * PARTITIONS), lags)
    assert not is_healthy(sample("ok", 10 * PARTITIONS, live="unhealthy"), lags)
    assert not is_healthy({**sample("ok", 0), "progress": None}, lags)


def test_a_closed_session_has_a_size() -> None:
    """Its name and its place, and a share of what the newest take besides."""
    assert 24 <= closed_session_bytes(100_000) < 48


@pytest.mark.kafka
def test_a_worker_counts_everything_and_tells_its_lag_truly() -> None:
    """The short form: a small steady load, twice of it, and its end."""
    (result,) = told_by("soak")
    assert result["is_right"]
    assert result["counted"]["sessions_ended"] > 0
    assert all(one["judged"] > 0 for one in result["lag"].values())
