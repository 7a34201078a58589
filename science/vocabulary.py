"""The frame of every session: the kinds of event that belong to no game."""

from science.event import Contradiction, Payload


class Started(Payload, frozen=True, gc=False):
    """A session begins. ``protocol`` is canonical JSON ``{"games": [{"config": {...}, "game": "..."}]}`` of what is planned.

    ``subject_id`` is a random 128-bit reference, or the id of a public data set that is de-identified already.
    """

    subject_id: str
    key_id: str | None
    consent_basis: str
    battery: str
    protocol: str
    config_hash: str
    device_input: str
    refresh_hz: int | None
    ua_family: str | None
    latency_bias_us: int | None
    latency_sd_us: int | None


class _Terminal(Payload, frozen=True, gc=False):
    last_seq: int

    def contradiction(self, seq: int | None, t_us: int | None) -> Contradiction | None:
        """The client's terminal is the last event, so it names itself."""
        if seq is not None and self.last_seq != seq:
            return Contradiction(
                "last_seq", f"last_seq is {self.last_seq}, but this last event has seq {seq}"
            )
        return None


class Completed(_Terminal, frozen=True, gc=False):
    """The session ended as planned."""


class Aborted(_Terminal, frozen=True, gc=False):
    """The participant left early."""

    reason: str


class Abandoned(Payload, frozen=True, gc=False):
    """Written by the closer: nothing more will come. What precedes it in the log is the session."""

    reason: str


class Withdrawn(Payload, frozen=True, gc=False):
    """The participant's data were erased; ``receipt_id`` names the erasure."""

    receipt_id: str


class Paused(Payload, frozen=True, gc=False):
    """The participant paused; no game event may follow until ``Resumed``."""


class Resumed(Payload, frozen=True, gc=False):
    """The pause is over."""


class Interaction(Payload, frozen=True, gc=False):
    """The window lost or gained attention: blur, focus, fullscreen_enter, fullscreen_exit (jsPsych's four)."""

    action: str


class CheckAnswered(Payload, frozen=True, gc=False):
    """An attention check."""

    item: str
    passed: bool


class EventVoided(Payload, frozen=True, gc=False):
    """An append-only correction: the event ``target_seq`` of this session does not count."""

    target_seq: int
    reason: str


KINDS: dict[str, type[Payload]] = {
    "session.started": Started,
    "session.completed": Completed,
    "session.aborted": Aborted,
    "session.abandoned": Abandoned,
    "session.withdrawn": Withdrawn,
    "session.paused": Paused,
    "session.resumed": Resumed,
    "session.interaction": Interaction,
    "session.check_answered": CheckAnswered,
    "session.event_voided": EventVoided,
}
