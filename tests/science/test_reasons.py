"""The words of a refusal are made from its facts, and stand in no profile: ``science/reasons.py``."""

import re
from collections.abc import Callable

import msgspec
import pytest

from science.profile import Profile
from science.reasons import _WORDS, Reason
from tests.science.builders import (
    COLLECTED_ALIKE,
    TYPICAL,
    abandoned,
    ended,
    events_of,
    profile_of,
    protocol_of,
    session_events,
    started,
)
from tests.science.test_profile import WILD, with_mapping

SLOWLY = {"gap_us": 6_000_000}
HASTY = {"latencies_us": (50_000, 400_000, 3_500_000), "gap_us": 4_000_000}
REFUSED: dict[str, tuple[str, Callable[[], Profile]]] = {
    "a missing event": (
        "R_INTEGRITY",
        lambda: profile_of([*(one for one in session_events() if one.seq != 9), abandoned()]),
    ),
    "a moment": ("R_DURATION", lambda: profile_of(session_events(TYPICAL[:2]))),
    "haste": ("R_QUALITY", lambda: profile_of(session_events(COLLECTED_ALIKE, **HASTY))),
    "idleness": ("R_QUALITY", lambda: profile_of(session_events([(0, "collected")] * 12, **SLOWLY))),
    "few balloons": ("R_SAMPLE", lambda: profile_of(session_events(TYPICAL[:7], **SLOWLY))),
    "few kept balloons": (
        "R_SAMPLE",
        lambda: profile_of(session_events([(12, "exploded")] * 16 + [(6, "collected")] * 4)),
    ),
    "a part of the plan": ("R_COMPLETENESS", lambda: profile_of(session_events(TYPICAL[:12], planned=20))),
    "no plan": ("R_COMPLETENESS", lambda: profile_of(events_of(ended([(0, started(protocol_of([])))])))),
    "no game": ("R_METRIC", lambda: profile_of(events_of(ended([(0, started(protocol_of([])))])))),
    "bursts alone": ("R_CI", lambda: profile_of(session_events([(3, "exploded")] * 20))),
    "another game's size": ("R_NORMS", lambda: profile_of(session_events(max_pumps=64))),
    "norms that are provisional": (
        "R_NORMS",
        lambda: profile_of(session_events(), with_mapping(allow_provisional=False)),
    ),
    "wild play": ("R_RELIABILITY", lambda: profile_of(session_events(WILD, **SLOWLY))),
}


def words(text: str) -> set[str]:
    """The words of four letters or more; a code such as game_not_played is one word."""
    return set(re.findall(r"[a-z_]{4,}", text.lower()))


OURS = {word for pair in _WORDS.values() for text in pair for word in words(re.sub(r"{\w+}", "", text))}


def test_every_code_is_driven() -> None:
    """A refusal that is new has its words tried here."""
    assert {code for code, _ in REFUSED.values()} | {"R_WEIGHT"} == _WORDS.keys()


@pytest.mark.parametrize(
    ("code", "details", "said"),
    [
        ("R_WEIGHT", {"share": 65, "needed": 80, "missing": "rt.sd_ln: too_few"}, "rt.sd_ln: too_few"),
        ("R_COMPLETENESS", {"needed": 80, "progress": "12/30 balloons, 0/6 rounds"}, "12/30 balloons"),
        ("R_RELIABILITY", {"reached": 60, "needed": 75, "each": "12 balloons, 3 rounds"}, "12 balloons, 3"),
    ],
)
def test_a_refusal_of_several_games_names_each(code: str, details: dict[str, int | str], said: str) -> None:
    """What is missing, or what to play more of, game by game."""
    reason = Reason(code, None, None, details, [])
    assert said in reason.message + reason.suggestion


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_is_put_into_words_from_the_bytes_of_its_profile(name: str) -> None:
    """Whoever has the canonical bytes alone can say what is wrong and what to do; no detail is wanting."""
    code, refuse = REFUSED[name]
    profile = refuse()
    stored = msgspec.json.decode(profile.canonical())["traits"]["risk_tolerance"]["reasons"]
    reasons = [msgspec.convert(fact, Reason) for fact in stored]
    assert reasons == profile.traits["risk_tolerance"].reasons
    assert code in [reason.code for reason in reasons]
    for reason in reasons:
        assert not {"{", "}"} & {*reason.message, *reason.suggestion}
        assert len(reason.message) > len(reason.code)
        assert reason.suggestion


@pytest.mark.parametrize("name", REFUSED)
def test_no_word_of_a_refusal_stands_in_the_bytes_of_its_profile(name: str) -> None:
    """A better sentence changes no profile: of our wording nothing is in what a replay must give again."""
    profile = REFUSED[name][1]()
    text = profile.canonical().decode()
    for fact in msgspec.json.decode(text)["traits"]["risk_tolerance"]["reasons"]:
        reason = msgspec.convert(fact, Reason)
        assert fact.keys() == {"code", "observed", "required", "details", "metrics"}
        assert reason.message not in text
        assert reason.suggestion not in text
        told = {word for value in reason.details.values() if isinstance(value, str) for word in words(value)}
        assert not told & OURS
