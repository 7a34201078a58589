"""The page for people: ``agents/report_generator.py``."""

import copy
import re

from agents.answer import answer
from agents.report_generator import USE_STATEMENT, ReportGenerator
from tests.agents.test_answer import REFUSED, SCORED

ANSWERS = [answer(SCORED), answer(REFUSED)]


def evil(told: dict, text: str) -> dict:  # type: ignore[type-arg]
    told = copy.deepcopy(told)
    told["session_id"] = text
    told["traits"] = {text: told["traits"]["risk_tolerance"]}
    for reason in told["traits"][text]["reasons"]:
        reason["message"] = reason["suggestion"] = text
    return told


def test_the_page_counts_who_was_scored_and_who_was_refused() -> None:
    """Everyone has a line; who has no score has reasons instead, and what to do."""
    page = ReportGenerator().page(ANSWERS)
    assert "2 sessions, 1 traits scored, 1 refused" in page
    assert page.count("<tr><td>") == 2
    assert "R_SAMPLE" in page
    assert "play 8 more" in page
    assert "provisional norms" in page
    assert f"{ANSWERS[0]['risk_tolerance']:.3f}" in page


def test_the_page_says_what_the_scores_are_not_for() -> None:
    """A number goes nowhere without the sentence about its use."""
    assert USE_STATEMENT in ReportGenerator().page(ANSWERS)
    assert USE_STATEMENT in ReportGenerator().page([])


def test_the_page_is_one_file_without_scripts_and_addresses() -> None:
    """It can be kept and sent: nothing is loaded from anywhere, nothing runs."""
    page = ReportGenerator().page(ANSWERS, {"someone": 1.2})
    assert page.startswith("<!doctype html>")
    assert not re.search(r"<script|<link|<img|https?:|url\(|@import|\son\w+=", page, re.IGNORECASE)


def test_nothing_that_a_client_named_becomes_markup() -> None:
    """Names and reasons are text, whatever stands in them."""
    text = "<script>alert('\"&')</script>"
    page = ReportGenerator().page([evil(told, text) for told in ANSWERS], {text: 1.0})
    assert "<script" not in page
    assert "&lt;script&gt;alert(&#x27;&quot;&amp;&#x27;)" in page


def test_the_plot_holds_those_whose_truth_is_known_and_who_were_scored() -> None:
    """True against estimated, a point each; without a truth there is no plot."""
    generator = ReportGenerator()
    assert generator.page(ANSWERS, {"someone": 1.2}).count("<circle") == 1
    other = {**ANSWERS[0], "session_id": "other"}
    assert generator.page([*ANSWERS, other], {"someone": 1.2, "other": 0.4}).count("<circle") == 2
    elsewhere = evil(ANSWERS[0], "other")  # a trait of another name
    assert generator.page([*ANSWERS, elsewhere], {"someone": 1.2, "other": 0.4}).count("<circle") == 1
    for truth in (None, {}, {"nobody": 1.0}):
        assert "<svg" not in generator.page(ANSWERS, truth)


def test_the_page_is_the_same_for_the_same_answers() -> None:
    """No clock and no dice in it."""
    assert ReportGenerator().page(ANSWERS) == ReportGenerator().page(copy.deepcopy(ANSWERS))
