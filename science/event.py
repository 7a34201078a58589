"""What happened: one event of one session, as the science sees it.

An event's identity is ``(session_id, seq)``. Its digest is the SHA-256 of its schema and of its canonical body without
what transport adds, so the same happening sent twice has the same digest.
"""

import msgspec


class Contradiction(msgspec.Struct, frozen=True):
    """Two fields of one event that cannot both be true."""

    field: str
    message: str


class Payload(msgspec.Struct, frozen=True, gc=False):
    """Base of the event kinds: what happened, without the envelope. Fields mirror the kind's Avro schema."""

    def contradiction(self, seq: int | None, t_us: int | None) -> Contradiction | None:
        """What within this single event cannot be true, or None. Sequences are judged by the fold, not here."""
        return None


class Response(Payload, frozen=True, gc=False, kw_only=True):
    """A press of the participant: it became possible at ``onset_t_us`` and came ``latency_us`` later."""

    onset_t_us: int
    latency_us: int

    def contradiction(self, seq: int | None, t_us: int | None) -> Contradiction | None:
        """Both clocks are the participant's own, so the difference is exact."""
        if t_us is not None and self.latency_us != t_us - self.onset_t_us:
            return Contradiction(
                "latency_us",
                f"latency_us is {self.latency_us}, but t_us - onset_t_us is {t_us - self.onset_t_us}",
            )
        return None


class Event(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The envelope and the payload.

    ``seq`` and ``t_us`` are None only for what the house itself writes into a session's stream
    (``session.abandoned``, ``session.withdrawn``). ``t_us`` is in microseconds of the participant's monotonic clock since
    the session's start; the three ``*_time_ms`` are audit facts in milliseconds since 1970 and never reach a score.
    """

    session_id: str
    seq: int | None
    t_us: int | None
    kind: str
    payload: Payload
    digest: bytes
    schema_sha256: bytes
    event_id: str
    device_time_ms: int | None
    sent_time_ms: int
    received_time_ms: int
