"""What within one event cannot be true."""

import pytest

from science.event import Contradiction
from science.games.balloon_risk.vocabulary import Collected, Exploded, Pumped
from science.vocabulary import Aborted, Completed


def test_a_latency_is_the_time_since_its_onset() -> None:
    """Both are readings of one clock, so they agree exactly or not at all."""
    pump = Pumped(onset_t_us=1_000, latency_us=500, i=1, k=1)
    collect = Collected(onset_t_us=1_000, latency_us=500, i=1, pumps=1, earned_c=5, bank_c=5)
    for response in (pump, collect):
        assert response.contradiction(7, 1_500) is None
        assert response.contradiction(7, 1_501) == Contradiction(
            "latency_us", "latency_us is 500, but t_us - onset_t_us is 501"
        )
        assert response.contradiction(7, None) is None


@pytest.mark.parametrize("terminal", [Completed(9), Aborted(9, "left")])
def test_a_terminal_names_itself_as_the_last(terminal: Completed | Aborted) -> None:
    """last_seq is its own number."""
    assert terminal.contradiction(9, 0) is None
    found = terminal.contradiction(8, 0)
    assert found is not None
    assert (found.field, found.message) == ("last_seq", "last_seq is 9, but this last event has seq 8")


def test_other_events_cannot_contradict_themselves() -> None:
    """What they say is judged with the others, by the fold."""
    assert Exploded(1, 99).contradiction(0, 0) is None
