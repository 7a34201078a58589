"""The chain of agents over one record, as both drivers run it: the Faust worker and the embedded one.

A driver reads a record, looks the row of its key up, calls ``Scoring.advance``, and keeps what comes back: first what is to be
sent, then the row, then its place in the log. A crash between any two is mended by the redelivery, which changes no row and
sends the same again.
"""

import msgspec

from agents.letters import message_of
from agents.metric_extractor import MetricExtractor
from agents.tables import SessionRow
from agents.trait_inferencer import TraitInferencer
from science.session import Outcome
from streams.codec import Codec
from streams.log import Message, Record
from streams.topics import DEAD_LETTERS, SESSION_METRICS, TRAIT_PROFILES


class Scored(msgspec.Struct, frozen=True):
    """What one record did: the row to keep, and what to send to which topic. ``outcome`` None: a dead letter."""

    row: SessionRow | None
    outcome: Outcome | None
    sends: list[tuple[str, Message]]


class Scoring:
    """MetricExtractor, then a TraitInferencer a mapping."""

    def __init__(self, codec: Codec, inferencers: list[TraitInferencer]) -> None:
        """With the codec of the log and the mappings to score by."""
        self._codec = codec
        self._extractor = MetricExtractor(codec)
        self._inferencers = inferencers

    def advance(self, row: SessionRow | None, record: Record) -> Scored:
        """Apply one record."""
        advance = self._extractor.advance(row, record)
        sends: list[tuple[str, Message]] = []
        if advance.letter is not None:
            sends.append((DEAD_LETTERS.name, message_of(self._codec, advance.letter)))
        if advance.metrics is not None:
            key = advance.metrics.session_id.encode()
            sends.append((SESSION_METRICS.name, Message(key, self._codec.encode_record(advance.metrics))))
            for inferencer in self._inferencers:
                profile = inferencer.infer(advance.metrics)
                sends.append((TRAIT_PROFILES.name, Message(key, self._codec.encode_record(profile))))
        return Scored(advance.row, advance.outcome, sends)
