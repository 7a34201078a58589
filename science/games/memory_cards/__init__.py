"""Memory cards: find the pairs (Concentration), scored against the exact law of perfect memory."""

from collections.abc import Mapping

import msgspec

from science.event import Payload
from science.game import Game
from science.games.memory_cards.influences import influences
from science.games.memory_cards.metrics import DEFINITIONS, measure
from science.games.memory_cards.optimal import optimal_turns
from science.games.memory_cards.play import Config, MemoryPlay
from science.games.memory_cards.sample import Round, account, gather, sample
from science.games.memory_cards.vocabulary import KINDS, GameStarted

__all__ = ["GAME", "optimal_turns"]


def begin(config: Mapping[str, object], start: Payload) -> MemoryPlay:
    """A play by its configuration; raises msgspec.ValidationError when that is none of memory cards."""
    assert isinstance(start, GameStarted)
    return MemoryPlay(msgspec.convert(config, Config))


def planned(config: Mapping[str, object]) -> int:
    """How many rounds a configuration plans; raises as ``begin`` does."""
    return msgspec.convert(config, Config).rounds


GAME = Game(
    name="memory_cards",
    kinds=KINDS,
    begin=begin,
    planned=planned,
    unit=Round,
    sample=sample,
    account=account,
    gather=gather,
    measure=measure,
    influences=influences,
    definitions=DEFINITIONS,
)
