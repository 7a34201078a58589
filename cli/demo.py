"""The first minute: people play, are scored, verified and reported, all in this process."""

from collections import Counter
from itertools import chain
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
from cli.simulating import play_games
from cli.wiring import house
from simulators import balloon_risk
from simulators.people import GAMES, crowd

_PEOPLE, _SEED = 200, 1
_PLAY_ALL, _SEED_OF_ALL = 20, 2
_SHOWN = 3


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
            told = f"{_PLAY_ALL} more play all three games"
            emit({"people": _PLAY_ALL, "games": list(GAMES)}, told, as_json=as_json)
            every = (game.design() for game in GAMES.values())
            people = chain(
                crowd(_PLAY_ALL, _SEED_OF_ALL, *every), crowd(_PEOPLE, _SEED, balloon_risk.Design())
            )
            imported, truth = play_games(parts, people)
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
    """A line a trait, a few people, and the truth of the one trait whose truth is a single number."""
    for name in answers[0]["traits"] if answers else ():
        traits = [told["traits"][name] for told in answers]
        scored = sum(trait["status"] == "scored" for trait in traits)
        reasons = Counter(why["code"] for trait in traits for why in trait["reasons"])
        refused = len(traits) - scored
        why = ", ".join(f"{code} {count}" for code, count in sorted(reasons.items()))
        words = f"{name} scored: {scored}, refused: {refused}" + (f" ({why})" if why else "")
        figures = {"trait": name, "scored": scored, "refused": refused, "reasons": dict(reasons)}
        emit(figures, words, as_json=as_json)
    for told in sorted(answers, key=_scored, reverse=True)[:_SHOWN]:
        emit(told, profile_text(told), as_json=as_json)
    pairs = [
        (truth[told["session_id"]], trait["t"])
        for told in answers
        if told["session_id"] in truth
        and (trait := told["traits"].get("risk_tolerance", {})).get("status") == "scored"
    ]
    if pairs:
        r = correlation(*zip(*pairs, strict=True))
        words = f"true against estimated risk tolerance: r = {r:.3f} over {len(pairs)} people"
        emit({"correlation": round(r, 6), "people": len(pairs)}, words, as_json=as_json)


def _scored(told: dict[str, Any]) -> int:
    return sum(trait["status"] == "scored" for trait in told["traits"].values())
