"""ReportGenerator: profiles as a page for people. One file without scripts or addresses, so it can be kept and sent."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#1d2733}
table{border-collapse:collapse;width:100%}td,th{padding:.3rem .6rem;border-bottom:1px solid #dde3ea;text-align:left}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}.bar{position:relative;height:.8rem;width:12rem;background:#eef2f6}
.bar i{position:absolute;top:0;bottom:0;background:#9bc0e6}.bar b{position:absolute;top:-2px;bottom:-2px;width:2px;background:#123c69}
.no{color:#7a4a00}svg{background:#f7f9fb;border:1px solid #dde3ea}footer{margin-top:2rem;color:#56616d;font-size:.9em}
"""

USE_STATEMENT = (
    "No evidence is supplied that these scores predict anything about work. Norms marked provisional come from one research "
    "sample and not from a population. A score stands with its interval; where intervals overlap, people are not ranked."
)


class ReportGenerator:
    """Renders the answers of ``agents/answer.py``."""

    def page(self, answers: Sequence[Mapping[str, Any]], truth: Mapping[str, float] | None = None) -> str:
        """A page about a group: a line a person and trait, and true against estimated where the truth is known."""
        rows = [
            _row(answer["session_id"], name, trait)
            for answer in answers
            for name, trait in answer["traits"].items()
        ]
        scored = sum(trait["status"] == "scored" for answer in answers for trait in answer["traits"].values())
        plot = _plot(answers, truth) if truth else ""
        return (
            f"<!doctype html><html lang=en><meta charset=utf-8><title>Trait profiles</title><style>{_STYLE}</style>"
            f"<h1>Trait profiles</h1><p>{len(answers)} sessions, {scored} traits scored, {len(rows) - scored} refused "
            f"with reasons.</p>{plot}<table><tr><th>session<th>trait<th class=n>score<th>95 % interval<th class=n>T"
            f"<th class=n>reliability<th class=n>quality<th>reasons</tr>{''.join(rows)}</table>"
            f"<footer>{escape(USE_STATEMENT)}</footer></html>"
        )


def _row(session_id: str, name: str, trait: Mapping[str, Any]) -> str:
    cells = f"<tr><td>{escape(session_id)}<td>{escape(name)}"
    quality = f"<td class=n>{trait['quality']:.0f}"
    reliability = "<td class=n>" + ("-" if trait["reliability"] is None else f"{trait['reliability']:.0f}")
    if trait["status"] != "scored":
        reasons = "; ".join(
            f"{reason['code']}: {reason['message']} {reason['suggestion']}" for reason in trait["reasons"]
        )
        return (
            f"{cells}<td class=n>-<td>-<td class=n>-{reliability}{quality}<td class=no>{escape(reasons)}</tr>"
        )
    low, high = trait["ci"]
    bar = (
        f"<div class=bar title='{low:.3f} to {high:.3f}'><i style='left:{100 * low:.1f}%;width:{100 * (high - low):.1f}%'></i>"
        f"<b style='left:{100 * trait['score']:.1f}%'></b></div>"
    )
    notes = ["provisional norms"] if trait["provisional"] else []
    notes += [f"{part['metric']}: {part['reason']}" for part in trait["contributions"] if part["reason"]]
    return f"{cells}<td class=n>{trait['score']:.3f}<td>{bar}<td class=n>{trait['t']:.0f}{reliability}{quality}<td>{escape('; '.join(notes))}</tr>"


def _plot(answers: Sequence[Mapping[str, Any]], truth: Mapping[str, float]) -> str:
    """Each person whose risk tolerance is scored as a point: the true trait across, the estimate upwards."""
    points = [
        (truth[answer["session_id"]], trait["t"])
        for answer in answers
        for name, trait in answer["traits"].items()
        if name == "risk_tolerance" and trait["status"] == "scored" and answer["session_id"] in truth
    ]
    if not points:
        return ""
    low, high = min(x for x, _ in points), max(x for x, _ in points)
    dots = "".join(
        f"<circle cx='{30 + 440 * (x - low) / ((high - low) or 1):.1f}' cy='{330 - 3 * max(0.0, min(100.0, t)):.1f}' r='3' "
        "fill='#123c69' fill-opacity='.5'/>"
        for x, t in points
    )
    return (
        "<h2>True against estimated</h2><svg width='500' height='360' role='img' aria-label='true against estimated'>"
        f"{dots}<text x='180' y='352'>true risk tolerance (simulated)</text><text x='4' y='20'>estimated T</text></svg>"
    )
