"""Simulated events as the science sees them, without a door, a codec or a log."""

from collections.abc import Iterable, Mapping
from hashlib import sha256

import msgspec

from science import vocabulary
from science.canonical import canonical
from science.event import Payload
from science.game import Completion, Play, Start
from science.games.balloon_risk import play as balloons
from science.games.balloon_risk import vocabulary as balloon_words
from science.games.memory_cards import play as cards
from science.games.memory_cards import vocabulary as card_words
from science.games.reaction_timer import play as reactions
from science.games.reaction_timer import vocabulary as reaction_words

Fields = Mapping[str, object]

KINDS: dict[str, type[Payload]] = {
    **vocabulary.KINDS,
    **balloon_words.KINDS,
    **card_words.KINDS,
    **reaction_words.KINDS,
}
_ENVELOPE = {"session_id", "seq", "t_us", "kind"}


def payload_of(event: Fields) -> Payload:
    """What the event says, with the names and types of its kind exactly; what is not said is null, where that may be."""
    fields = {
        name: canonical(value).decode() if isinstance(value, dict) else value
        for name, value in event.items()
        if name not in _ENVELOPE
    }
    if "participant_ref" in fields:  # the door's part
        fields["config_hash"] = sha256(str(fields["protocol"]).encode()).hexdigest()
        fields["subject_id"] = fields.pop("participant_ref")
    kind = KINDS[str(event["kind"])]
    assert set(fields) <= set(kind.__struct_fields__), event
    return msgspec.convert({name: fields.get(name) for name in kind.__struct_fields__}, kind, strict=True)


def plays_of(events: Iterable[Fields]) -> list[Play]:
    """The plays of the session's games, each by the class that judges it."""
    plays: list[Play] = []
    for event in events:
        payload, seq = payload_of(event), event["seq"]
        if isinstance(payload, Start):
            plays.append(_begin(payload))
        elif not str(event["kind"]).startswith("session."):
            plays[-1].take(seq, event["t_us"], payload)
            if isinstance(payload, Completion):
                plays[-1].end(seq)
    return plays


def _begin(start: Start) -> Play:
    def config(of: type) -> object:
        return msgspec.json.decode(start.config, type=of)

    match start:
        case balloon_words.GameStarted():
            return balloons.BalloonPlay(config(balloons.Config), start.seed_commit)
        case card_words.GameStarted():
            return cards.MemoryPlay(config(cards.Config))
        case _:
            return reactions.ReactionPlay(config(reactions.Config), start.seed_commit)
