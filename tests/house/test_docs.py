"""The pages say what the registries hold: their marked blocks are written by the catalogue, and every page is found.

A block stands between ``<!-- metrics:balloon -->`` and ``<!-- /metrics -->``, or ``<!-- mapping:pilot@0.1.0 -->`` and
``<!-- /mapping -->``. `make docs` runs these tests with KYMOGRAPH_WRITE_DOCS=1, and they write instead of failing.
"""

import os
import re
from pathlib import Path

import pytest

from science.catalogue import NotInCatalogue, page

DOCS = Path(__file__).resolve().parents[2] / "docs"
INDEX = DOCS / "README.md"
BLOCK = re.compile(r"<!-- (metrics|mapping):(\S+) -->\n(.*?)<!-- /\1 -->", re.DOTALL)
MARK = re.compile(r"<!-- /?(?:metrics|mapping)\b.*?-->")
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")


def written(text: str) -> str:
    """The text of a page with every block as the catalogue has it. Raises NotInCatalogue."""
    rest = BLOCK.sub("", text)
    assert not MARK.search(rest), f"a mark without its other half: {MARK.findall(rest)[0]}"
    return BLOCK.sub(
        lambda block: f"<!-- {block[1]}:{block[2]} -->\n\n{page(block[1], block[2])}\n\n<!-- /{block[1]} -->",
        text,
    )


def pages() -> list[Path]:
    """Every page."""
    return sorted(DOCS.rglob("*.md"))


@pytest.mark.parametrize("path", pages(), ids=lambda path: str(path.relative_to(DOCS)))
def test_its_tables_are_those_of_the_registries(path: Path) -> None:
    """No table is written by hand, so none can be wrong."""
    text = path.read_text(encoding="utf-8")
    fresh = written(text)
    if os.environ.get("KYMOGRAPH_WRITE_DOCS") == "1":
        path.write_text(fresh, encoding="utf-8")
    else:
        assert fresh == text, f"run make docs: the tables of {path.relative_to(DOCS)} are not of this code"


@pytest.mark.parametrize("path", pages(), ids=lambda path: str(path.relative_to(DOCS)))
def test_its_links_lead_somewhere(path: Path) -> None:
    """Within the house; what is elsewhere is not asked for."""
    text = re.sub(r"`[^`]*`", "", path.read_text(encoding="utf-8"))  # what looks like a link in code is none
    links = [link for link in LINK.findall(text) if "://" not in link]
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_every_page_is_in_the_index() -> None:
    """A page that nothing leads to is not read."""
    linked = {(DOCS / link).resolve() for link in LINK.findall(INDEX.read_text(encoding="utf-8"))}
    assert [path for path in pages() if path != INDEX and path not in linked] == []


def test_a_block_is_written_and_the_rest_is_left_alone() -> None:
    """Whatever stood in it; a second time nothing changes."""
    text = "before\n\n<!-- metrics:balloon -->\nold\n<!-- /metrics -->\n\nafter <!-- a comment -->\n"
    fresh = written(text)
    assert fresh == (
        f"before\n\n<!-- metrics:balloon -->\n\n{page('metrics', 'balloon')}\n\n<!-- /metrics -->\n\n"
        "after <!-- a comment -->\n"
    )
    assert written(fresh) == fresh
    assert written(fresh.replace("balloon.aap", "balloon.app")) == fresh
    two = text + "<!-- mapping:pilot@0.1.0 -->\n<!-- /mapping -->\n"
    assert written(two).count("\n| --- |") == 5
    assert written("no block\n") == "no block\n"


@pytest.mark.parametrize(
    "text",
    [
        "<!-- metrics:balloon -->\nold\n",
        "old\n<!-- /mapping -->\n",
        "<!-- metrics:balloon -->\nold\n<!-- /mapping -->\n",
        "<!-- metrics: balloon -->\nold\n<!-- /metrics -->\n",
        "<!-- metrics:balloon --> old\n<!-- /metrics -->\n",
    ],
)
def test_a_broken_mark_is_found(text: str) -> None:
    """Or its table would grow old unnoticed."""
    with pytest.raises(AssertionError, match="a mark without its other half"):
        written(text)


def test_a_mark_of_something_unknown_is_found() -> None:
    """With what there is."""
    with pytest.raises(NotInCatalogue, match="metrics:balloon"):
        written("<!-- metrics:baloon -->\n<!-- /metrics -->\n")
