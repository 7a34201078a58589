"""The first minute: people play, are scored, verified and reported, all in this process."""

from collections import Counter
from pathlib import Path
from statistics import correlation
from typing import Any

import click

from agents.answer import answer
from agents.report_generator import ReportGenerator
from cli.feeding import report
from cli.importing import import_balloons
from cli.options import DIFFERENT, common, emit, settings_of
from cli.reading import profile_text, profiles_of, verifications
from cli.running import follow
from cli.simulating import play_balloons
from cli.wiring import house

_PEOPLE, _SEED, _SHOWN = 200, 1, 3


@click.command()
@click.option(
    "--bart",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Real people instead: a bart_events table.",
)
@click.option("--serve", is_flag=True, help="Stay, and score what else reaches the log.")
@common
def demo(bart: Path | None, data: str | None, log: str | None, *, serve: bool, as_json: bool) -> None:
    """People play, are scored, verified and reported."""
    settings = settings_of(data, log)
    with house(settings) as parts:
        truth: dict[str, float] = {}
        if bart is not None:
            imported = import_balloons(parts, bart)
        else:
            told = f"{_PEOPLE} simulated people play balloon risk: 30 balloons of at most 12 pumps"
            emit({"people": _PEOPLE, "game": "balloon_risk"}, told, as_json=as_json)
            imported, truth = play_balloons(parts, _PEOPLE, _SEED)
        report(parts, imported, as_json=as_json)
        stored = profiles_of(parts, parts.inferencer().mapping)
        answers = [answer(rows[0]) for rows in stored.values()]
        _tell(answers, truth, as_json=as_json)
        checked, lost = verifications(parts, None)
        equal = sum(found.verdict == "equal" for found in checked)
        verified = {"verified": equal, "of": len(checked)}
        emit(verified, f"verified: {equal} of {len(checked)} equal", as_json=as_json)
        path = settings.data_dir / "report.html"
        path.write_text(ReportGenerator().page(answers, truth), encoding="utf-8")
        emit({"report": str(path)}, f"report: {path}", as_json=as_json)
        if serve:
            follow(parts)
    if lost or equal != len(checked):
        raise SystemExit(DIFFERENT)


def _tell(answers: list[dict[str, Any]], truth: dict[str, float], *, as_json: bool) -> None:
    traits = [(told["session_id"], trait) for told in answers for trait in told["traits"].values()]
    scored = [(session_id, trait) for session_id, trait in traits if trait["status"] == "scored"]
    reasons = Counter(why["code"] for _, trait in traits for why in trait["reasons"])
    refused = len(traits) - len(scored)
    why = ", ".join(f"{code} {count}" for code, count in sorted(reasons.items()))
    words = f"scored: {len(scored)}, refused: {refused}" + (f" ({why})" if why else "")
    emit({"scored": len(scored), "refused": refused, "reasons": dict(reasons)}, words, as_json=as_json)
    for told in answers[:_SHOWN]:
        emit(told, profile_text(told), as_json=as_json)
    pairs = [(truth[session_id], trait["t"]) for session_id, trait in scored if session_id in truth]
    if pairs:
        r = correlation(*zip(*pairs, strict=True))
        words = f"true against estimated: r = {r:.3f} over {len(pairs)} people"
        emit({"correlation": round(r, 6), "people": len(pairs)}, words, as_json=as_json)
