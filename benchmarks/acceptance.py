"""Whether the numbers can be signed: recovery of known traits and coverage of every interval, as a page.

``python -m benchmarks.acceptance`` prints the page; ``--write`` keeps it as docs/acceptance.md. Everything is drawn by fixed seeds, so a
second run says the same.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from math import sqrt
from pathlib import Path

from benchmarks.coverage import Row, coverage
from benchmarks.recovery import Line, recovery
from science.mapping import load

MAPPING = "core@1.1.0"  # the traits of 1.0.0, and vigilance
PAGE = Path(__file__).resolve().parents[1] / "docs" / "acceptance.md"
LENGTHS = (15, 30, 60)
STRESSES = ("bold", "64 pumps, bold", "long lapses")
# 95 % intervals may fall short by so much at 30 balloons, 30 trials and 6 rounds; of ratios to a mean and of folded traits by more.
LEAST, LEAST_OF_RATIOS = 0.90, 0.88
_RATIOS = ("balloon.cv_adj", "balloon.post_loss_rel", "emotional_regulation")

_HEAD = """# Acceptance: what simulated people show

Made by `make science`: every figure comes from simulated people (`simulators/`) who play through the public door, with seeds that are
fixed. They are models of people, with distributions that their modules name; what they show is whether the engine finds again what is
put in, and how honest its intervals are. That real people are like them is not shown here.

## Known traits come back

{people} people.

| what | accepted | found | |
| --- | --- | --- | --- |
"""

_COVERAGE = """
## Intervals hold the true value

How often the 95 % interval of `{mapping}` holds what all sessions of the same person come to in the mean: {people} people, {sessions} sessions each and
{runs} in all at each length, so that the standard error of a share of .95 is {error:.3f} at least (sessions of one person are alike). n balloons,
n trials of simple reaction, n / 5 rounds of 12 pairs. *Worst quarter* is the coverage in that quarter of people, by true value, where it is
lowest; the half width is in SD of the norms, which are taken as exact here; *left out* are sessions that lack the metric, or one that the
person's others have, so that they measure something else. *Scored* is the share of all sessions that no rule refuses. Where no norm set
is of a length, one of another length stands in. What is biased in all sessions alike is not seen here but in recovery, above; of a folded
trait the mean over sessions is lower than the fold of the mean.

At 30 at least {least} is asked of every line, of ratios to a mean and of folded traits {ratios}.

| metric or trait | 15 | 30 | 60 | worst quarter at 30 | half width at 30 | left out at 30 | scored 15 / 30 / 60 |
| --- | --- | --- | --- | --- | --- | --- | --- |
"""

_STRESS = """
## Where it is hardest

The same at 30, of people or games that are out of the ordinary; nothing is asked of these lines. *bold*: intended pumps about half of the most
possible, so that half of the balloons burst (in games of 12 pumps, and of 64, with the norms of 12 moved by ln(64/12)). *long lapses*: lapses of 500 to 3,000 ms in
a share of trials that is Beta(1, 60), which real people do not show.

| metric or trait | {stresses} |
| --- | {dashes} |
"""


def main(arguments: Sequence[str]) -> int:
    """Print the page; 1 when a line does not hold."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--people", type=int, default=60, help="of the coverage (default 60)")
    options.add_argument("--sessions", type=int, default=34, help="of each of them (default 34)")
    options.add_argument("--recovered", type=int, default=400, help="people of the recovery (default 400)")
    options.add_argument("--write", action="store_true", help=f"keep the page as {PAGE.name}")
    asked = options.parse_args(arguments)
    lines = recovery(asked.recovered)
    covered = {
        n: {row.name: row for row in coverage(MAPPING, asked.people, asked.sessions, n)} for n in LENGTHS
    }
    stressed = {
        stress: {row.name: row for row in coverage(MAPPING, asked.people, asked.sessions, 30, stress)}
        for stress in STRESSES
    }
    runs = asked.people * asked.sessions
    text = "".join(
        [
            _HEAD.format(people=asked.recovered),
            *(
                f"| {line.what} | {line.accepted} | {line.found} | {'holds' if line.holds else '**fails**'} |\n"
                for line in lines
            ),
            _COVERAGE.format(
                mapping=MAPPING,
                people=asked.people,
                sessions=asked.sessions,
                runs=f"{runs:,}",
                error=sqrt(0.95 * 0.05 / runs),
                least=LEAST,
                ratios=LEAST_OF_RATIOS,
            ),
            *_table(covered),
            _STRESS.format(stresses=" | ".join(STRESSES), dashes=" | ".join("---" for _ in STRESSES)),
            *(
                f"| {name} | {' | '.join(_stressed(stressed[stress][name]) for stress in STRESSES)} |\n"
                for name in covered[30]
            ),
        ]
    )
    print(text)
    if asked.write:
        PAGE.write_text(text, encoding="utf-8")
    failed = failures(lines, covered[30].values())
    for name in failed:
        print(f"does not hold: {name}", file=sys.stderr)
    return 1 if failed else 0


def failures(lines: Sequence[Line], rows: Sequence[Row]) -> list[str]:
    """What does not hold."""
    short = [row.name for row in rows if not row.coverage >= least_of(row.name)]
    return [line.what for line in lines if not line.holds] + short


def least_of(name: str) -> float:
    """The coverage asked of a metric or trait at 30."""
    return LEAST_OF_RATIOS if name in _RATIOS else LEAST


def _table(covered: dict[int, dict[str, Row]]) -> Iterator[str]:
    traits = load(MAPPING).mapping.traits
    for name, row in covered[30].items():
        shares = [_told(covered[n][name]) for n in LENGTHS]
        scored = " / ".join(f"{covered[n][name].scored:.2f}" for n in LENGTHS) if name in traits else ""
        yield (
            f"| {name} | {' | '.join(shares)} | {row.worst:.3f} | {row.half_width:.2f} | {row.left_out} of {row.left_out + row.sessions} | {scored} |\n"
        )


def _told(row: Row) -> str:
    return f"{row.coverage:.3f}" if row.sessions else "never there"


def _stressed(row: Row) -> str:
    return f"{row.coverage:.3f} (worst quarter {row.worst:.3f})"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
