"""A stored profile as people and programs are told it: decimals, and the seed's fields at the top.

The canonical bytes count in micro-units; here they become numbers. A profile of which any trait is scored answers with the
others null and explained; one of which none is, is an error with guidance in the seed's form.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from projections.rows import SessionMetricRow, TraitProfileRow
from science.reasons import Reason

TRAITS = ("risk_tolerance", "consistency", "learning", "decision_speed", "emotional_regulation")
_MICRO = 1_000_000
_IN_MICRO = {
    "score", "ci", "ci_level", "ci_trait", "t", "percentile", "score_shrunk", "sem", "reliability", "quality", "completeness",
    "value", "se", "z", "weight", "term",
}  # fmt: skip
_REASONS_IN_MICRO = {"R_COMPLETENESS", "R_QUALITY", "R_RELIABILITY", "R_WEIGHT"}


def answer(row: TraitProfileRow) -> dict[str, Any]:
    """The answer to a request for a profile."""
    profile = msgspec.json.decode(row.profile)
    traits = {name: _decimals(trait) for name, trait in profile["traits"].items()}
    provenance = {
        **{name: profile[name] for name in ("events_digest", "mapping", "definitions", "norms", "schemas")},
        "profile_digest": row.profile_digest,
        "records_digest": row.records_digest,
        "partition": row.partition,
        "last_offset": row.last_offset,
        "engine_version": row.engine_version,
    }
    correlations = {
        trait: {other: _decimal(value) for other, value in others.items()}
        for trait, others in profile.get("correlations", {}).items()
    }
    body = {
        "session_id": profile["session_id"],
        "traits": traits,
        "error_correlations": correlations,
        "provenance": provenance,
    }
    scores = {name: traits[name]["score"] if name in traits else None for name in TRAITS}
    if not any(trait["status"] == "scored" for trait in traits.values()):
        nearest = sorted(traits.values(), key=lambda trait: trait["completeness"], reverse=True)
        reason = next((reason for trait in nearest for reason in trait["reasons"]), None)
        guidance = {
            "error": reason["message"] if reason else "No trait is scored.",
            "required_fields": ["session_id", "event_data"],
            "suggestion": reason["suggestion"] if reason else "Play a game that the mapping listens to.",
        }
        return {**guidance, **body}
    level = next(trait["ci_level"] for trait in traits.values() if trait["status"] == "scored")
    return {**scores, "confidence_interval": level, **body}


def metrics_answer(rows: tuple[SessionMetricRow, ...]) -> dict[str, Any]:
    """The metrics of a session: value, n, unit, standard error and reason of each."""
    measures = msgspec.json.decode(rows[0].measures)
    return {
        "session_id": measures["session_id"],
        "metrics": {name: _decimals(metric) for name, metric in sorted(measures["metrics"].items())},
    }


def _decimals(value: Mapping[str, Any]) -> dict[str, Any]:
    plain = {name: _decimal(item) if name in _IN_MICRO else item for name, item in value.items()}
    if "reasons" in plain:
        plain["reasons"] = [_reason(reason) for reason in plain["reasons"]]
        plain["contributions"] = [_decimals(contribution) for contribution in plain["contributions"]]
    return plain


def _decimal(value: Any) -> Any:
    if isinstance(value, list):
        return [_decimal(item) for item in value]
    return value / _MICRO if isinstance(value, int) else value


def _reason(fact: Mapping[str, Any]) -> dict[str, Any]:
    reason = msgspec.convert(fact, Reason)
    in_micro = reason.code in _REASONS_IN_MICRO
    return {
        "code": reason.code,
        "message": reason.message,
        "observed": _decimal(reason.observed) if in_micro else reason.observed,
        "required": _decimal(reason.required) if in_micro else reason.required,
        "suggestion": reason.suggestion,
        "metrics": reason.metrics,
    }
