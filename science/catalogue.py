"""What is published, as tables for people: the metrics of a game; the traits, reference samples and thresholds of a mapping.

Figures are written from the published micro-units, exactly and without trailing zeros. Nothing is said here that is not in a
registry, so a page that shows these tables cannot contradict the code.
"""

from collections.abc import Iterator

import msgspec

from science.exact import MICRO
from science.game import Definition
from science.games import GAMES
from science.mapping import Norm, Published, TraitRule, load, names


class Table(msgspec.Struct, frozen=True):
    """A heading, and rows of as many cells."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class NotInCatalogue(Exception):
    """There is nothing of this name; the message lists what there is."""


def page(what: str, name: str) -> str:
    """The Markdown of ``metrics`` of a game (by the prefix of its metrics) or of a ``mapping``. Raises NotInCatalogue."""
    if what == "metrics" and name in prefixes():
        return markdown(metrics(name))
    if what == "mapping" and name in names():
        published = load(name)
        return "\n\n".join(markdown(table(published)) for table in (traits, reference, samples, thresholds))
    known = [*(f"metrics:{one}" for one in prefixes()), *(f"mapping:{one}" for one in names())]
    raise NotInCatalogue(f"no {what}:{name} in the catalogue: there are {', '.join(known)}")


def prefixes() -> list[str]:
    """What the ids of metrics begin with, a game each."""
    return list(dict.fromkeys(one.id.partition(".")[0] for one in _definitions()))


def metrics(prefix: str) -> Table:
    """Every definition of a game's metrics."""
    return Table(
        ("metric", "version", "unit", "what it is", "source"),
        tuple(
            (f"`{one.id}`", str(one.version), one.unit, one.formula, one.source)
            for one in _definitions()
            if one.id.partition(".")[0] == prefix
        ),
    )


def traits(published: Published) -> Table:
    """The traits of a mapping, a row a metric; a fold makes too much and too little alike."""
    rows = [
        (
            trait,
            rule.status,
            f"`{metric.metric}` v{metric.definition}",
            figure(metric.weight),
            "fold" if metric.fold is not None else "+" if metric.direction > 0 else "-",
            _required(rule, metric.metric),
            ", ".join(_serving(published, metric.game, metric.metric)) or "none",
        )
        for trait, rule in published.mapping.traits.items()
        for metric in rule.metrics
    ]
    return Table(("trait", "status", "metric", "weight", "direction", "required", "norm sets"), tuple(rows))


def reference(published: Published) -> Table:
    """What the samples say of every metric that the mapping listens to."""
    heard = {metric.metric for rule in published.mapping.traits.values() for metric in rule.metrics}
    rows = [
        (name, f"`{metric}`", *_figures(norm))
        for name, norms in published.norms.items()
        for metric, norm in norms.metrics.items()
        if metric in heard
    ]
    return Table(("norm set", "metric", "n", "mean", "SD", "reliability", "of units", "retest"), tuple(rows))


def samples(published: Published) -> Table:
    """Who the reference samples are, and which plays may be compared with them."""
    rows = [
        (
            name,
            norms.status,
            norms.game,
            ", ".join(f"{key} {_wanted(value)}" for key, value in sorted(norms.match.items())),
            ", ".join(norms.devices) or "not said",
            norms.sample,
            norms.source,
        )
        for name, norms in published.norms.items()
    ]
    return Table(("norm set", "status", "game", "plays of", "devices", "sample", "source"), tuple(rows))


def thresholds(published: Published) -> Table:
    """Every other number that decides whether a score is given, which, and how sure it is said to be."""
    return Table(("threshold", "value"), tuple(_thresholds(published)))


def markdown(table: Table) -> str:
    """As Markdown has tables."""
    lines = [table.head, tuple("---" for _ in table.head), *table.rows]
    escaped = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in escaped)


def figure(micro: int) -> str:
    """Micro-units as a decimal."""
    whole, part = divmod(abs(micro), MICRO)
    return ("-" if micro < 0 else "") + f"{whole}.{part:06}".rstrip("0").rstrip(".")


# -------------------------------------------------------------------------------------------------------------- cells


def _definitions() -> Iterator[Definition]:
    return (definition for game in GAMES.values() for definition in game.definitions)


def _required(rule: TraitRule, metric: str) -> str:
    groups = [group for group in rule.required if metric in group]
    if not groups:
        return "no"
    return "yes" if any(len(group) == 1 for group in groups) else "one of these"


def _serving(published: Published, game: str, metric: str) -> list[str]:
    return [name for name, norms in published.norms.items() if norms.game == game and metric in norms.metrics]


def _figures(norm: Norm) -> tuple[str, ...]:
    retest = "not known" if norm.retest is None else figure(norm.retest)
    length = str(norm.length) if norm.length else "not said"
    return str(norm.n), figure(norm.mean), figure(norm.sd), figure(norm.reliability), length, retest


def _wanted(value: int | str | tuple[int, int]) -> str:
    return f"{value[0]} to {value[1]}" if isinstance(value, tuple) else str(value)


def _thresholds(published: Published) -> Iterator[tuple[str, str]]:
    mapping, minimum = published.mapping, published.mapping.minimum
    yield "completeness", f"at least {figure(minimum.completeness)} % of the planned units"
    yield "quality", f"at least {figure(minimum.quality)} of 100"
    yield "reliability", f"at least {figure(minimum.reliability)} of 100"
    yield "weight", f"at least {figure(minimum.weight)} % of a trait's weight has a value"
    shortest, longest = minimum.duration_us
    yield "duration", f"{figure(shortest)} s to {figure(longest)} s"
    for game, rule in mapping.games.items():
        for count in rule.counts:
            yield f"{game}: `{count.metric}`", f"at least {count.minimum} {count.unit}"
    allowed = "serve" if mapping.allow_provisional else "do not serve"
    yield "norms", f"those that are not a reference sample {allowed}"
    yield "winsorised z", f"-{figure(mapping.winsor)} to {figure(mapping.winsor)}"
    interval = mapping.interval
    yield "interval", f"{figure(100 * interval.level)} % by {interval.method}"
    if interval.prior_df:
        yield "degrees of freedom of the sample's error variance", str(interval.prior_df)
    if interval.replicates:
        yield "bootstrap replicates", str(interval.replicates)
    for trait, listens in mapping.traits.items():
        yield f"{trait}: correlation of its metrics", figure(listens.correlation)
        for metric in listens.metrics:
            if (fold := metric.fold) is not None:
                numbers = {"shrunk by": fold.shrink, "at most": fold.limit, "mean": fold.mean, "SD": fold.sd}
                told = ", ".join(f"{name} {figure(number)}" for name, number in numbers.items())
                yield f"{trait}: fold of `{metric.metric}`", f"{told}, reliability {figure(fold.reliability)}"
    yield "quality: nothing of it is left by", ", ".join(mapping.quality.fails)
    for sign, penalty in mapping.quality.penalties.items():
        yield (
            f"quality: {sign}",
            f"costs {figure(100 * penalty.weight)} at {figure(penalty.full)}, and at most {figure(100 * penalty.weight * penalty.limit // MICRO)}",
        )
