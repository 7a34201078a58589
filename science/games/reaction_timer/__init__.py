"""Reaction timer: press as soon as the stimulus is there (simple), the key that it asks for (choice), or not (go/no-go)."""

from collections.abc import Mapping

import msgspec

from science.event import Payload
from science.game import Game
from science.games.reaction_timer.influences import influences
from science.games.reaction_timer.metrics import DEFINITIONS, measure
from science.games.reaction_timer.play import Config, ReactionPlay
from science.games.reaction_timer.sample import Block, account, gather, sample
from science.games.reaction_timer.vocabulary import KINDS, GameStarted


def begin(config: Mapping[str, object], start: Payload) -> ReactionPlay:
    """A play by its configuration; raises msgspec.ValidationError when that is none of reaction timer."""
    assert isinstance(start, GameStarted)
    return ReactionPlay(msgspec.convert(config, Config), start.seed_commit)


def planned(config: Mapping[str, object]) -> int:
    """How many trials a configuration plans; raises as ``begin`` does."""
    return msgspec.convert(config, Config).trials


GAME = Game(
    name="reaction_timer",
    kinds=KINDS,
    begin=begin,
    planned=planned,
    unit=Block,
    sample=sample,
    account=account,
    gather=gather,
    measure=measure,
    influences=influences,
    definitions=DEFINITIONS,
)
