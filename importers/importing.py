"""Bringing events in: batches through the door, every one counted, sessions closed at the end of the input."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

import msgspec

from agents.event_logger import EventLogger, Verdict
from importers.closing import ImportedSessions

_BATCH_EVENTS = 1_000


class Parsed(msgspec.Struct, frozen=True):
    """One place of the input: an event, or why there is none."""

    place: str
    event: Mapping[str, object] | Verdict


class Refusal(msgspec.Struct, frozen=True):
    """What was rejected, and where it stood in the input."""

    place: str
    verdict: Verdict


class Imported(msgspec.Struct):
    """What became of an input; ``read`` = accepted + duplicate + rejected."""

    read: int = 0
    accepted: int = 0
    duplicate: int = 0
    rejected: int = 0
    closed: int = 0
    skipped: Counter[str] = msgspec.field(default_factory=Counter)
    refusals: list[Refusal] = []


_REFUSALS_KEPT_MAX = 1_000


def bring_in(
    parsed: Iterable[Parsed],
    logger: EventLogger,
    *,
    close: bool = True,
    on_batch: Callable[[int], None] = lambda _: None,
) -> Imported:
    """Record everything; rejected places are reported, and cost the others nothing. Raises LogUnavailable."""
    imported, sessions = Imported(), ImportedSessions()
    batch: list[Parsed] = []
    for item in parsed:
        batch.append(item)
        if len(batch) == _BATCH_EVENTS:
            _record(batch, logger, imported, sessions)
            on_batch(imported.read)
            batch = []
    _record(batch, logger, imported, sessions)
    on_batch(imported.read)
    if close:
        imported.closed = sessions.close(logger)
    assert imported.read == imported.accepted + imported.duplicate + imported.rejected
    return imported


def _record(batch: list[Parsed], logger: EventLogger, imported: Imported, sessions: ImportedSessions) -> None:
    events = [item.event for item in batch if not isinstance(item.event, Verdict)]
    verdicts = logger.record(events)
    sessions.note(events, verdicts)
    answers = iter(verdicts)
    for item in batch:
        verdict = item.event if isinstance(item.event, Verdict) else next(answers)
        imported.read += 1
        if verdict.status == "accepted":
            imported.accepted += 1
        elif verdict.status == "duplicate":
            imported.duplicate += 1
        else:
            imported.rejected += 1
            if len(imported.refusals) < _REFUSALS_KEPT_MAX:
                imported.refusals.append(Refusal(item.place, verdict))
