"""From metrics to traits, as published documents: mappings and the norm sets they stand on.

A mapping holds every number that can change a score: weights, thresholds, interval, norms. It is read from frozen JSON; its
hash and its norms' hashes stand in every profile, and ``science/published.lock`` refuses an edit.
"""

from importlib.resources import files
from typing import Any

import msgspec

from science.canonical import digest
from science.exact import MICRO
from science.quality import QualityRule


class Norm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A metric in a reference sample: size, mean, SD and reliability, in micro-units but for ``n`` and ``length``.

    The reliability is that of ``length`` resampling units (balloons, blocks of five trials, rounds); ``retest`` is the correlation
    with another day, None where no study exists.
    """

    n: int
    mean: int
    sd: int
    reliability: int
    length: int = 0
    retest: int | None = None


class NormSet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A reference sample. ``match`` is what a play must agree on to be compared with it: a value, or [least, most].

    ``status`` is reference, provisional (people, but no population sample) or placeholder (simulated people). ``devices`` are the
    inputs that the sample played on; none: it does not say.
    """

    id: str
    version: int
    status: str
    game: str
    match: dict[str, int | str | tuple[int, int]]
    sample: str
    source: str
    metrics: dict[str, Norm]
    devices: list[str] = []

    def is_of_device(self, device_input: str) -> bool:
        """Whether the sample played on such a device; a set that names none does not say."""
        return not self.devices or device_input in self.devices

    @property
    def name(self) -> str:
        """``id.vN``, as mappings and profiles name it."""
        return f"{self.id}.v{self.version}"

    def fits(self, match: dict[str, int | str]) -> bool:
        """Whether a play of this configuration may be compared with the sample."""
        return match.keys() == self.match.keys() and all(
            wanted[0] <= match[key] <= wanted[1]  # type: ignore[operator]  # a range is of numbers
            if isinstance(wanted, tuple)
            else match[key] == wanted
            for key, wanted in self.match.items()
        )


class Interval(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Level, its normal quantile and the method; micro-units.

    greenwood_delta: the metric's own standard error and the normal quantile. moderated_jackknife: the variance that the units'
    influences add up to and the norm set's error variance, weighed by degrees of freedom, ``prior_df`` for the latter, and
    Student's quantile. bca: bias-corrected and accelerated bootstrap of ``replicates``; its reliability stays the jackknife's.
    """

    level: int
    z: int
    method: str
    prior_df: int = 0
    replicates: int = 0


class Minimum(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What must be reached before a score is given. Percentages in micro-units of 0-100.

    ``weight`` is the least share of a trait's weight whose metrics are there.
    """

    completeness: int
    quality: int
    reliability: int
    duration_us: tuple[int, int]
    weight: int = 0


class Count(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The least value of a counting metric below which its game's metrics are not believed; what it counts, in words."""

    metric: str
    minimum: int
    unit: str
    of: str


class GameRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a mapping asks of a game: its planned units in a word, and the counts it needs."""

    unit: str
    counts: list[Count]


class Fold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Too much and too little both lower the score: f(z) = Phi^-1(1 - |2 Phi(rho z) - 1|), no further than ``limit`` from 0.

    ``shrink`` is rho; ``mean`` and ``sd`` of f under the norm bring it back to mean 0 and SD 1, and ``reliability`` is that of
    the result; all in micro-units.
    """

    shrink: int
    limit: int
    mean: int
    sd: int
    reliability: int


class MetricRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A metric of a trait: its share in micro-units, and which way it points (1 or -1)."""

    metric: str
    definition: int
    weight: int
    direction: int
    game: str
    fold: Fold | None = None


class TraitRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A trait: its metrics, of which one of each group of ``required`` must be there, and their correlation, in micro-units."""

    status: str
    correlation: int
    required: list[list[str]]
    metrics: list[MetricRule]


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A published mapping. ``winsor`` bounds every z, in micro-units; ``form`` is that of the document."""

    id: str
    semver: str
    form: int
    interval: Interval
    allow_provisional: bool
    winsor: int
    norms: list[str]
    minimum: Minimum
    quality: QualityRule
    games: dict[str, GameRule]
    traits: dict[str, TraitRule]
    references: list[str]
    changelog: list[str]
    supersedes: str | None = None

    @property
    def name(self) -> str:
        """``id@semver``, as profiles and commands name it."""
        return f"{self.id}@{self.semver}"


class Published(msgspec.Struct, frozen=True, eq=False):
    """A mapping with its norm sets and the hashes of all of them; told by identity, so that what follows from it can be kept."""

    mapping: Mapping
    mapping_hash: str
    norms: dict[str, NormSet]
    norm_hashes: dict[str, str]


class UnknownMapping(Exception):
    """No mapping of this name is published; the message lists those that are."""


def load(name: str) -> Published:
    """The mapping ``id@semver``. Raises UnknownMapping."""
    if name not in names():
        raise UnknownMapping(f"no mapping {name!r}: published are {', '.join(names())}")
    document = _document("mappings", name.replace("@", ".v"))
    mapping = parse(document)
    norms = {norm: _document("norms", norm) for norm in mapping.norms}
    return Published(
        mapping=mapping,
        mapping_hash=digest(document),
        norms={norm: msgspec.convert(text, NormSet) for norm, text in norms.items()},
        norm_hashes={norm: digest(text) for norm, text in norms.items()},
    )


def names() -> list[str]:
    """Every published mapping, ``id@semver``, in order."""
    return sorted(
        entry.name.removesuffix(".json").replace(".v", "@", 1)
        for entry in (files("science") / "mappings").iterdir()
        if entry.name.endswith(".json")
    )


def parse(document: dict[str, Any]) -> Mapping:
    """A mapping from its document, of whichever form. Raises msgspec.ValidationError."""
    return msgspec.convert(document if "form" in document else _from_form_1(document), Mapping)


def _document(folder: str, name: str) -> dict[str, Any]:
    text = (files("science") / f"{folder}/{name}.json").read_bytes()
    return msgspec.json.decode(text, type=dict[str, Any])


def _from_form_1(document: dict[str, Any]) -> dict[str, Any]:
    """Form 1 had one metric a trait, and its counts with the trait."""
    minimum = dict(document["minimum"])
    sample = minimum.pop("sample")
    games: dict[str, Any] = {}
    traits: dict[str, Any] = {}
    winsor = 0
    for name, trait in document["traits"].items():
        unit, winsor = trait["unit"], trait["winsor"]
        counts = [{"metric": "balloon.n", "minimum": sample, "unit": f"scored {unit}", "of": unit}]
        counts += [
            {"metric": metric, **need, "of": need["unit"]} for metric, need in trait["requires"].items()
        ]
        games[trait["game"]] = {"unit": unit, "counts": counts}
        rule = {name: trait[name] for name in ("metric", "definition", "direction", "game")}
        traits[name] = {
            "status": trait["status"],
            "correlation": 0,
            "required": [[trait["metric"]]],
            "metrics": [{**rule, "weight": MICRO}],
        }
    later = {"form": 1, "winsor": winsor, "minimum": minimum, "games": games, "traits": traits}
    return {**document, **later}
