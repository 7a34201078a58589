"""A stored profile as it is told: ``agents/answer.py``."""

import json

import msgspec
import pytest

from agents.answer import TRAITS, answer, metrics_answer
from agents.local import LocalWorker, RowTable
from projections.rows import SessionMetricRow, TraitProfileRow, metric_rows, profile_rows
from streams.memory import MemoryLog
from streams.topics import EVENTS
from tests.agents.doors import metrics, profiles, scoring, sealed
from tests.agents.test_local import MEMORY

PROVENANCE = {
    "events_digest", "mapping", "definitions", "norms", "schemas", "profile_digest", "records_digest", "partition",
    "last_offset", "engine_version",
}  # fmt: skip


def rows_of(balloons: int) -> tuple[TraitProfileRow, tuple[SessionMetricRow, ...]]:
    log = MemoryLog()
    log.append(EVENTS.name, sealed("someone", balloons, seed=3))
    LocalWorker(log, RowTable(MEMORY), scoring()).catch_up()
    (row,) = profile_rows(profiles(log)[0])
    return row, metric_rows(metrics(log)[0])


SCORED, MEASURED = rows_of(30)
REFUSED, _ = rows_of(2)


def test_a_scored_profile_has_the_seeds_fields_at_its_top() -> None:
    """Five traits between 0 and 1 or null, and the level of the interval; the trait itself explains the number."""
    told = answer(SCORED)
    assert list(told)[:6] == [*TRAITS, "confidence_interval"]
    assert told["confidence_interval"] == 0.95
    assert [told[name] for name in TRAITS[1:]] == [None] * 4
    trait = told["traits"]["risk_tolerance"]
    assert trait["status"] == "scored"
    assert told["risk_tolerance"] == trait["score"] == SCORED.score_micro / 1_000_000  # type: ignore[operator]
    low, high = trait["ci"]
    assert 0 <= low < trait["score"] < high <= 1
    assert trait["percentile"] == pytest.approx(100 * trait["score"], abs=1e-4)
    assert 0 < trait["t"] < 100
    assert 0 < trait["reliability"] <= 100
    assert (trait["quality"], trait["completeness"], trait["reasons"]) == (100, 100, [])
    assert trait["contributions"][0]["weight"] == 1
    assert "error" not in told


def test_a_profile_without_any_score_is_an_error_with_guidance_in_the_seeds_form() -> None:
    """What is missing, in words and numbers, and what to do: the seed's three fields, then the whole profile."""
    told = answer(REFUSED)
    assert list(told)[:3] == ["error", "required_fields", "suggestion"]
    assert told["required_fields"] == ["session_id", "event_data"]
    trait = told["traits"]["risk_tolerance"]
    assert (trait["status"], trait["score"], trait["ci"]) == ("insufficient", None, None)
    assert told["error"] == trait["reasons"][0]["message"]
    assert told["suggestion"] == trait["reasons"][0]["suggestion"]
    assert not set(TRAITS) & set(told)


def test_reasons_count_in_the_units_that_people_read() -> None:
    """Shares and scores as decimals of 100, counts as counts, times as microseconds."""
    reasons = {reason["code"]: reason for reason in answer(REFUSED)["traits"]["risk_tolerance"]["reasons"]}
    assert (reasons["R_SAMPLE"]["observed"], reasons["R_SAMPLE"]["required"]) == (2, 10)
    assert reasons["R_DURATION"]["required"] == 30_000_000
    profile = json.loads(REFUSED.profile)
    names = {"observed": 60_000_000, "required": 80_000_000, "metrics": []}
    profile["traits"]["risk_tolerance"]["reasons"] = [
        {
            "code": "R_COMPLETENESS",
            "details": {"needed": 80, "more": 4, "planned": 20, "unit": "balloons"},
            **names,
        }
    ]
    told = answer(msgspec.structs.replace(REFUSED, profile=json.dumps(profile).encode()))
    (reason,) = told["traits"]["risk_tolerance"]["reasons"]
    assert (reason["observed"], reason["required"]) == (60, 80)


def test_a_profile_says_where_it_comes_from() -> None:
    """Every definition by its hash, and the place in the log: an auditor needs no more."""
    told = answer(SCORED)
    assert set(told["provenance"]) == PROVENANCE
    assert told["provenance"]["mapping"]["id"] == "pilot"
    assert told["provenance"]["profile_digest"] == SCORED.profile_digest
    assert told["session_id"] == "someone"
    assert json.loads(json.dumps(told)) == told


def test_every_number_in_millionths_is_told_as_a_decimal() -> None:
    """Also what only later mappings have: the interval on any day, the terms of the ledger, the errors' correlations."""
    profile = msgspec.json.decode(SCORED.profile)
    trait = profile["traits"]["risk_tolerance"]
    trait["ci_trait"] = [100_000, 900_000]
    trait["contributions"][0]["term"] = -250_000
    profile["correlations"] = {"risk_tolerance": {"consistency": 125_000}}
    told = answer(msgspec.structs.replace(SCORED, profile=json.dumps(profile).encode()))
    assert told["traits"]["risk_tolerance"]["ci_trait"] == [0.1, 0.9]
    assert told["traits"]["risk_tolerance"]["contributions"][0]["term"] == -0.25
    assert told["error_correlations"] == {"risk_tolerance": {"consistency": 0.125}}


def refused(completeness: int, suggestion: str) -> dict[str, object]:
    trait = msgspec.json.decode(REFUSED.profile)["traits"]["risk_tolerance"]
    details = {"scored": 2, "needed": 10, "more": 8, "unit": suggestion, "of": suggestion}
    reasons = [reason | {"details": details} for reason in trait["reasons"] if reason["code"] == "R_SAMPLE"]
    return trait | {"completeness": completeness, "reasons": reasons}


def test_guidance_is_about_the_trait_that_lacks_least() -> None:
    """Who played balloons is not told about trials that were never given."""
    profile = msgspec.json.decode(REFUSED.profile)
    profile["traits"] = {
        "consistency": refused(0, "trials"),
        "risk_tolerance": refused(70_000_000, "balloons"),
    }
    told = answer(msgspec.structs.replace(REFUSED, profile=json.dumps(profile).encode()))
    assert "balloons" in told["suggestion"]
    assert "trials" not in told["suggestion"]


def test_a_trait_beside_the_seed_s_five_is_no_error() -> None:
    """A profile of which any trait is scored is an answer, whatever the trait is called."""
    profile = msgspec.json.decode(SCORED.profile)
    profile["traits"] = {"vigilance": profile["traits"]["risk_tolerance"]}
    told = answer(msgspec.structs.replace(SCORED, profile=json.dumps(profile).encode()))
    assert "error" not in told
    assert [told[name] for name in TRAITS] == [None] * 5
    assert told["confidence_interval"] == 0.95


def test_a_mapping_that_listens_to_nothing_played_still_gives_guidance() -> None:
    """Even without a trait there is an answer that says what to do."""
    profile = json.loads(SCORED.profile) | {"traits": {}}
    told = answer(msgspec.structs.replace(SCORED, profile=json.dumps(profile).encode()))
    assert told["error"]
    assert told["suggestion"]


def test_metrics_are_told_with_unit_and_reason() -> None:
    """Every metric by name, in order, its value in its own unit or the reason why there is none."""
    told = metrics_answer(MEASURED)
    assert told["session_id"] == "someone"
    assert list(told["metrics"]) == sorted(told["metrics"])
    stored = {row.metric: row for row in MEASURED[1:]}
    assert set(told["metrics"]) == set(stored)
    for name, metric in told["metrics"].items():
        assert {"value", "n", "unit", "reason"} <= set(metric)
        assert (metric["value"] is None) == (stored[name].value_micro is None)
        if metric["value"] is not None:
            assert metric["value"] == stored[name].value_micro / 1_000_000  # type: ignore[operator]
        assert metric["n"] == stored[name].n
