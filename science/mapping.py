"""From metrics to traits, as published documents: mappings and the norm sets they stand on.

A mapping holds every number that can change a score: weights, thresholds, interval, norms. It is read from frozen JSON; its
hash and its norms' hashes stand in every profile, and ``science/published.lock`` refuses an edit.
"""

from importlib.resources import files

import msgspec

from science.canonical import digest
from science.quality import QualityRule


class Norm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A metric in a reference sample: size, mean, SD and reliability, in micro-units but for ``n``."""

    n: int
    mean: int
    sd: int
    reliability: int


class NormSet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A reference sample. ``match`` is what a play must agree on to be compared with it."""

    id: str
    version: int
    status: str
    game: str
    match: dict[str, int | str]
    sample: str
    source: str
    metrics: dict[str, Norm]


class Interval(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Level, its normal quantile and the method of the standard error; micro-units."""

    level: int
    z: int
    method: str


class Minimum(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What must be reached before a score is given (science B.6). Percentages in micro-units of 0-100."""

    sample: int
    completeness: int
    quality: int
    reliability: int
    duration_us: tuple[int, int]


class Requirement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The least value of a counting metric, and what it counts."""

    minimum: int
    unit: str


class TraitRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One trait from one metric. ``direction`` is 1 or -1; ``winsor`` bounds z, in micro-units.

    ``requires`` are counts below which the metric is not believed, whatever its own standard error says.
    """

    status: str
    game: str
    unit: str
    metric: str
    definition: int
    direction: int
    winsor: int
    requires: dict[str, Requirement]


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A published mapping."""

    id: str
    semver: str
    interval: Interval
    allow_provisional: bool
    norms: list[str]
    minimum: Minimum
    quality: QualityRule
    traits: dict[str, TraitRule]
    references: list[str]
    changelog: list[str]

    @property
    def name(self) -> str:
        """``id@semver``, as profiles and commands name it."""
        return f"{self.id}@{self.semver}"


class Published(msgspec.Struct, frozen=True):
    """A mapping with its norm sets and the hashes of all of them."""

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
    text = (files("science") / "mappings" / f"{name.replace('@', '.v')}.json").read_bytes()
    mapping = msgspec.json.decode(text, type=Mapping)
    norm_texts = {norm: (files("science") / "norms" / f"{norm}.json").read_bytes() for norm in mapping.norms}
    return Published(
        mapping=mapping,
        mapping_hash=digest(msgspec.json.decode(text)),
        norms={norm: msgspec.json.decode(text, type=NormSet) for norm, text in norm_texts.items()},
        norm_hashes={norm: digest(msgspec.json.decode(text)) for norm, text in norm_texts.items()},
    )


def names() -> list[str]:
    """Every published mapping, ``id@semver``, in order."""
    return sorted(
        entry.name.removesuffix(".json").replace(".v", "@", 1)
        for entry in (files("science") / "mappings").iterdir()
        if entry.name.endswith(".json")
    )
