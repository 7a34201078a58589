"""A unit event as a row of integers, and back: ``science/columns/events.py``."""

import pytest

from science.columns.events import UNITS, code_of, integers_of, is_unit, payload_of
from science.event import Payload
from science.games.balloon_risk.vocabulary import Pumped, Shown
from science.games.memory_cards.vocabulary import RoundCompleted
from science.vocabulary import Paused


@pytest.mark.parametrize(
    "payload",
    [
        Pumped(onset_t_us=5, latency_us=-7, i=1, k=2),
        Shown(1, "red", 12, 5, practice=True),
        Shown(2, "", 12, 5, practice=False),
        RoundCompleted(1, 7, layout=None, salt=None),
        RoundCompleted(1, 7, layout="[1]", salt="s"),
    ],
)
def test_a_row_of_integers_is_the_event(payload: Payload) -> None:
    """Texts are places among the words, truth is 0 or 1, and what is absent stays absent."""
    words = {"other": 0}
    integers = integers_of(payload, words)
    assert all(type(value) is int for value in integers)
    assert payload_of(code_of(type(payload)), integers, list(words)) == payload


def test_only_what_happens_in_units_is_of_columns() -> None:
    """The frame is not."""
    assert not is_unit(Paused())
    assert all(code_of(kind) == place for place, kind in enumerate(UNITS))
