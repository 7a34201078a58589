"""What the code publishes, and whether it is whole: metric definitions, norm sets and mappings, each with its hash.

``published.lock`` remembers every entry that was ever published, a line each: kind, name, version, and the SHA-256 of its canonical
content. It only grows: what stands there answers for old profiles, so it is neither edited nor taken away. What is not there yet
is no flaw; it is published by `kymograph lock`.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from importlib.abc import Traversable
from importlib.resources import files
from typing import Any

import msgspec

from science import mapping as mappings
from science.canonical import digest, is_floatless
from science.exact import MICRO
from science.game import Definition
from science.games import GAMES
from science.mapping import MetricRule, NormSet, TraitRule
from science.quality import FAILS

Entry = tuple[str, str, str]  # kind (mapping, metric, norm), name, version
Document = dict[str, Any]


class Publication(msgspec.Struct, frozen=True):
    """Everything that is published, as it lies there: the lock, the definitions by game, and the documents by file name."""

    lock: str
    definitions: Mapping[str, tuple[Definition, ...]]
    mappings: Mapping[str, bytes]
    norms: Mapping[str, bytes]


def here() -> Publication:
    """What this code publishes."""
    return Publication(
        lock=lock_file().read_text(encoding="utf-8"),
        definitions={game.name: game.definitions for game in GAMES.values()},
        mappings=_texts("mappings"),
        norms=_texts("norms"),
    )


def lock_file() -> Traversable:
    """Where the lock lies."""
    return files("science") / "published.lock"


def living(publication: Publication) -> dict[Entry, str]:
    """The hash of every entry that there is now; of a document that cannot be read there is none."""
    definitions = [one for game in publication.definitions.values() for one in game]
    entries = {("metric", one.id, str(one.version)): digest(one) for one in definitions}
    for kind, texts in (("mapping", publication.mappings), ("norm", publication.norms)):
        for name, text in texts.items():
            document = _document(text)
            if not isinstance(document, str):
                stem, _, version = name.partition(".v")
                entries[kind, stem, version] = digest(document)
    return entries


def locked(lock: str) -> dict[Entry, str]:
    """The hash of every entry of the lock, as it was first published."""
    entries: dict[Entry, str] = {}
    for words in map(str.split, lock.splitlines()):
        if len(words) == 4:
            entries.setdefault((words[0], words[1], words[2]), words[3])
    return entries


def unpublished(publication: Publication) -> list[str]:
    """The lines to append to the lock: what there is and was never published."""
    alive, known = living(publication), locked(publication.lock)
    return [f"{' '.join(entry)} {alive[entry]}" for entry in sorted(alive.keys() - known.keys())]


def standing(publication: Publication, entry: Entry) -> str:
    """What the lock says of an entry that there is: published, edited or not published."""
    known = locked(publication.lock).get(entry)
    if known is None:
        return "not published"
    return "published" if known == living(publication)[entry] else "edited"


def flaws(publication: Publication) -> list[str]:
    """Everything that is wrong, a sentence each, but for what only waits to be published."""
    norms, found = _parsed(publication.norms, "norm set", _norm_set)
    known, more = _parsed(publication.mappings, "mapping", mappings.parse)
    return [
        *_of_lock(publication),
        *_of_definitions(publication),
        *found,
        *(flaw for name, one in norms.items() for flaw in _of_norms(name, one, publication)),
        *more,
        *(flaw for name, one in known.items() for flaw in _of_mapping(name, one, norms, publication)),
    ]


# ------------------------------------------------------------------------------------------------------------- reading


def _texts(folder: str) -> dict[str, bytes]:
    """The documents of a folder, by file name without its ending."""
    entries = sorted(files("science").joinpath(folder).iterdir(), key=lambda entry: entry.name)
    return {
        entry.name.removesuffix(".json"): entry.read_bytes()
        for entry in entries
        if entry.name.endswith(".json")
    }


def _document(text: bytes) -> Document | str:
    """The document, or what it is not."""
    try:
        document = msgspec.json.decode(text, type=Document)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return f"is no JSON object: {error}"
    return document if is_floatless(document) else "holds a fraction: give millionths"


def _parsed(texts: Mapping[str, bytes], what: str, parse: Any) -> tuple[dict[str, Any], list[str]]:
    """The documents as values, by file name, and why some are none."""
    values, found = {}, []
    for name, text in texts.items():
        document = _document(text)
        if isinstance(document, str):
            found.append(f"{what} {name} {document}")
            continue
        try:
            values[name] = parse(document)
        except (AttributeError, KeyError, TypeError, msgspec.ValidationError) as error:
            found.append(f"{what} {name} is none: {error}")
    return values, found


def _norm_set(document: Document) -> NormSet:
    return msgspec.convert(document, NormSet)


# -------------------------------------------------------------------------------------------------------------- flaws


def _of_lock(publication: Publication) -> Iterator[str]:
    alive, known = living(publication), locked(publication.lock)
    lines = list(map(str.split, publication.lock.splitlines()))
    yield from (f"damaged in the lock: {' '.join(words)}" for words in lines if len(words) != 4)
    if publication.lock and not publication.lock.endswith("\n"):
        yield "damaged in the lock: its last line does not end"
    counts = Counter(" ".join(words[:3]) for words in lines if len(words) == 4)
    yield from (f"locked twice: {entry}" for entry, count in counts.items() if count > 1)
    yield from (f"gone, but published: {' '.join(entry)}" for entry in sorted(known.keys() - alive.keys()))
    for entry in sorted(known.keys() & alive.keys()):
        if known[entry] != alive[entry]:
            yield f"edited, give it a new version: {' '.join(entry)}"


def _of_definitions(publication: Publication) -> Iterator[str]:
    """Two definitions of one name would be one entry of the lock."""
    counts = Counter((one.id, one.version) for game in publication.definitions.values() for one in game)
    yield from (f"metric {name} {version} is defined twice" for (name, version), n in counts.items() if n > 1)


def _of_norms(name: str, norms: NormSet, publication: Publication) -> Iterator[str]:
    if norms.name != name:
        yield f"norm set {name} says inside that it is {norms.name}"
    known = {definition.id for definition in publication.definitions.get(norms.game, ())}
    if not known:
        yield f"norm set {name} is of an unknown game: {norms.game}"
    for metric, norm in norms.metrics.items():
        about = f"norm set {name}: {metric}"
        if known and metric not in known:
            yield f"{about} is no metric of {norms.game}"
        if norm.n < 2 or norm.sd <= 0:
            yield f"{about} has no spread: n is {norm.n}, sd is {norm.sd}"
        if not 0 <= norm.reliability <= MICRO:
            yield f"{about} has a reliability outside 0..1"
        if norm.retest is not None and not -MICRO <= norm.retest <= MICRO:
            yield f"{about} has a retest correlation outside -1..1"


def _of_mapping(
    name: str, mapping: mappings.Mapping, norms: Mapping[str, NormSet], publication: Publication
) -> Iterator[str]:
    about = f"mapping {mapping.name}"
    if name != mapping.name.replace("@", ".v"):
        yield f"mapping {name} says inside that it is {mapping.name}"
    yield from (f"{about}: there is no norm set {norm}" for norm in mapping.norms if norm not in norms)
    yield from (f"{about} names {norm} twice" for norm in _twice(mapping.norms))
    rule = mapping.quality
    signs = (rule.missing, rule.anticipations, rule.blurs, rule.clock, rule.pattern, rule.slow)
    if sum(sign.weight for sign in signs) != MICRO:
        yield f"{about}: the weights of quality do not add up to 1"
    yield from (f"{about}: nothing fails by {sign}" for sign in rule.fails if sign not in FAILS)
    for game, asked in mapping.games.items():
        known = {definition.id for definition in publication.definitions.get(game, ())}
        for count in asked.counts:
            if count.metric not in known:
                yield f"{about}: it counts {count.metric}, which is no metric of {game}"
    used = [norms[norm] for norm in mapping.norms if norm in norms]
    for trait, asks in mapping.traits.items():
        about_trait = f"{about}, {trait}"
        if sum(metric.weight for metric in asks.metrics) != MICRO:
            yield f"{about_trait}: the weights do not add up to 1"
        yield from (f"{about_trait}: {one} stands twice" for one in _twice([m.metric for m in asks.metrics]))
        for metric in asks.metrics:
            if metric.game not in mapping.games:
                yield f"{about_trait}: of {metric.game} it is not said how much must be played"
            if mapping.interval.method != "greenwood_delta":
                yield from (f"{about}: {flaw}" for flaw in _of_length(metric, used))
            yield from (f"{about_trait}: {flaw}" for flaw in _of_metric(metric, publication))
        yield from (f"{about_trait}: {flaw}" for flaw in _of_required(asks, used))


def _of_metric(rule: MetricRule, publication: Publication) -> Iterator[str]:
    versions = {one.version for one in publication.definitions.get(rule.game, ()) if one.id == rule.metric}
    if not versions:
        yield f"{rule.metric} is no metric of {rule.game}"
    elif rule.definition not in versions:
        yield f"{rule.metric} has no definition {rule.definition}"
    if rule.direction not in {1, -1}:
        yield f"{rule.metric} points in direction {rule.direction}, which is neither 1 nor -1"
    if rule.weight < 0:
        yield f"{rule.metric} has a weight below 0: that is what the direction is for"


def _of_length(rule: MetricRule, norms: list[NormSet]) -> Iterator[str]:
    """The error variance of a session is worked out from the reliability of so many units."""
    for one in norms:
        if one.game == rule.game and rule.metric in one.metrics and one.metrics[rule.metric].length < 1:
            yield f"{one.name} does not say of how many units the reliability of {rule.metric} is"


def _of_required(asks: TraitRule, norms: list[NormSet]) -> Iterator[str]:
    games = {rule.metric: rule.game for rule in asks.metrics}
    for metric in dict.fromkeys(one for group in asks.required for one in group):
        if metric not in games:
            yield f"{metric} is required, but is none of its metrics"
        elif not any(one.game == games[metric] and metric in one.metrics for one in norms):
            yield f"{metric} is required, but no norm set has it"


def _twice(names: list[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]
