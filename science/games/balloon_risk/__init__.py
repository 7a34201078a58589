"""Balloon risk: pump a balloon for money, cash in before it bursts (the BART of Lejuez et al. 2002)."""

from collections.abc import Mapping

import msgspec

from science.event import Payload
from science.game import Game
from science.games.balloon_risk.influences import influences
from science.games.balloon_risk.metrics import DEFINITIONS, measure
from science.games.balloon_risk.play import BalloonPlay, Config
from science.games.balloon_risk.sample import ScoredBalloon, account, gather, sample
from science.games.balloon_risk.vocabulary import KINDS, GameStarted


def begin(config: Mapping[str, object], start: Payload) -> BalloonPlay:
    """A play by its configuration; raises msgspec.ValidationError when that is none of balloon risk."""
    assert isinstance(start, GameStarted)
    return BalloonPlay(msgspec.convert(config, Config), start.seed_commit)


def planned(config: Mapping[str, object]) -> int:
    """How many balloons a configuration plans; raises as ``begin`` does."""
    return msgspec.convert(config, Config).balloons


GAME = Game(
    name="balloon_risk",
    kinds=KINDS,
    begin=begin,
    planned=planned,
    unit=ScoredBalloon,
    sample=sample,
    account=account,
    gather=gather,
    measure=measure,
    influences=influences,
    definitions=DEFINITIONS,
)
