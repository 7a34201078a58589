"""The door: every event is checked alone, pseudonymised, encoded canonically, appended, and answered with a verdict.

One bad event does not spoil its batch, and none vanishes: accepted + duplicate + rejected is what came in, and accepted +
duplicate is what was appended. ``duplicate`` is only an annotation from a bounded memory; the fold decides (a cache that drops
what it has seen loses data when it is wrong).
"""

import os
import re
import uuid
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Literal

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from agents.control import ControlUnavailable, open_control
from agents.seed_form import SeedForm
from agents.subjects import SubjectKeys
from agents.vitals import Vitals
from science.checks import Flaw, write_json
from science.event import Event
from science.fields import newest
from science.seed_fields import is_seed_form
from streams.codec import Codec, Unreadable
from streams.log import Log, Message
from streams.sqlite import SqliteLog
from streams.topics import EVENTS
from telemetry.clock import Clock, SystemClock
from telemetry.metrics import INGEST_EVENTS, Metrics

_REMEMBERED_MAX = 1 << 17  # identities in the bounded memory: about 30 MB

_RANDOM_ID = re.compile(r"[0-9a-f]{32}")

_HOUSE_KINDS = {"session.abandoned", "session.withdrawn"}
_REFERENCE_BYTES_MAX = 512  # encrypted it must fit the schema's subject_cipher


class Verdict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one event: where it lies in the log, or what is wrong with it and what to do."""

    status: Literal["accepted", "duplicate", "rejected"]
    session_id: str | None = None
    seq: int | None = None
    event_id: str | None = None
    partition: int | None = None
    offset: int | None = None
    code: str | None = None
    pointer: str | None = None
    message: str | None = None
    suggestion: str | None = None


Sealed = list[tuple[Event, Message]]
"""An event as the log takes it, last; one in the seed's form brings those it implies."""


class EventLogger:
    """Appends events to the log, with a verdict for each."""

    def __init__(
        self,
        log: Log | None = None,
        *,
        control_url: str | None = None,
        codec: Codec | None = None,
        clock: Clock | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        """With no arguments: on the embedded log of ``KYMOGRAPH__DATA_DIR`` (default ``./.kymograph``)."""
        if log is None or control_url is None:
            folder = Path(os.environ.get("KYMOGRAPH__DATA_DIR", ".kymograph"))
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            log = log if log is not None else SqliteLog(folder / "log.sqlite")
            control_url = control_url or f"sqlite:///{folder / 'control.sqlite'}"
        self._log = log
        self._codec = codec if codec is not None else Codec()
        self._clock = clock if clock is not None else SystemClock()
        self.control = open_control(control_url)
        self._subjects = SubjectKeys(self.control)
        self._seed_form = SeedForm(self.control)
        self._vitals = Vitals("event_logger", self._clock, metrics)
        self._seen: OrderedDict[tuple[str, int | None], bytes] = OrderedDict()

    def run(self, event_data: Mapping[str, object]) -> dict[str, object]:
        """The seed's call: one event in the seed's form or in ours; its verdict as a dict."""
        (verdict,) = self.record([event_data])
        answer: dict[str, object] = msgspec.to_builtins(verdict)
        return answer

    def record(self, events: Sequence[Mapping[str, object] | bytes]) -> list[Verdict]:
        """Append a batch; one verdict an event, in order. Raises LogUnavailable: then nothing is known to be kept, and the
        same batch may be sent again. Raises ControlUnavailable before anything is appended.
        """
        sealed = [self.seal(event) for event in events]
        messages = [message for part in sealed if not isinstance(part, Verdict) for _, message in part]
        positions = iter(self._log.append(EVENTS.name, messages))
        verdicts = []
        for part in sealed:
            if isinstance(part, Verdict):
                verdicts.append(part)
                continue
            placed = [(event, next(positions)) for event, _ in part]  # a seed event brings those it implies
            event, position = placed[-1]
            known = [self.is_known(event) for event, _ in placed]
            verdicts.append(
                Verdict(
                    status="duplicate" if known[-1] else "accepted",
                    session_id=event.session_id,
                    seq=event.seq,
                    event_id=event.event_id,
                    partition=position.partition,
                    offset=position.offset,
                )
            )
        self.count(Counter(verdict.status for verdict in verdicts))
        return verdicts

    def seal(self, event: Mapping[str, object] | bytes) -> Sealed | Verdict:
        """What to append for one event, or why nothing; nothing is appended yet. Raises ControlUnavailable."""
        try:
            return self._seal(event)
        except SQLAlchemyError as error:
            message = (
                f"the control database cannot be used ({error.__cause__ or error}): send the same batch again"
            )
            raise ControlUnavailable(message) from error

    def is_known(self, event: Event) -> bool:
        """Whether this very event came before, as far as the bounded memory reaches."""
        identity = (event.session_id, event.seq)
        known = self._seen.get(identity) == event.digest
        self._seen[identity] = event.digest
        self._seen.move_to_end(identity)
        if len(self._seen) > _REMEMBERED_MAX:
            self._seen.popitem(last=False)
        return known

    def count(self, outcomes: Mapping[str, int]) -> None:
        """What came, by its verdict: accepted, duplicate or rejected."""
        self._vitals.count_by(INGEST_EVENTS, outcomes, errors=("rejected",))

    def close_session(self, session_id: str, reason: Literal["timeout", "gaps", "input_ended"]) -> None:
        """Write ``session.abandoned``: what stands before it in the log is the session. Raises LogUnavailable."""
        now_ms = self._clock.now_ms()
        times = {"event_id": str(_uuid7(now_ms)), "sent_time_ms": now_ms, "received_time_ms": now_ms}
        fields = {**times, "session_id": session_id, "reason": reason}
        _, message = self._encode("session.abandoned", fields)
        self._log.append(EVENTS.name, [message])

    def get_performance_metrics(self) -> dict[str, str | int | float | None]:
        """The seed's six figures."""
        return self._vitals.report()

    # ------------------------------------------------------------------------------------------------ one event

    def _seal(self, event: Mapping[str, object] | bytes) -> Sealed | Verdict:
        """Check, pseudonymise and encode; what to append, or why not."""
        try:
            if isinstance(event, bytes):
                kind, fields = self._codec.fields(event)
                fields["received_time_ms"] = self._clock.now_ms()
                if kind == "session.started":
                    self._admit_subject(fields)
                return [self._encode(_from_outside(kind), fields)]
            _check_object(event)
            if is_seed_form(event):
                implied = self._seed_form.translate(event, self._seal_own)
                return [self._seal_own(own) for own in implied]
            return [self._seal_own(event)]
        except Unreadable as error:
            flaw = error.flaw
            known = event if isinstance(event, Mapping) else {}
            session_id, seq = known.get("session_id"), known.get("seq")
            return Verdict(
                status="rejected",
                session_id=session_id if isinstance(session_id, str) else None,
                seq=seq if isinstance(seq, int) else None,
                code=flaw.code,
                pointer=flaw.pointer,
                message=flaw.message,
                suggestion=flaw.suggestion,
            )

    def _seal_own(self, event: Mapping[str, object]) -> tuple[Event, Message]:
        kind, fields = self._admit(event)
        return self._encode(kind, fields)

    def _admit(self, event: Mapping[str, object]) -> tuple[str, dict[str, object]]:
        """Our JSON form as the fields of its schema: what the door fills in, and what must not reach the log in clear."""
        fields = dict(event)
        kind = fields.pop("kind", None)
        if not isinstance(kind, str):
            raise Unreadable(
                Flaw("missing_field", "/kind", "kind is missing", "send kind, such as balloon_risk.pumped")
            )
        _from_outside(kind)
        now_ms = self._clock.now_ms()
        fields.setdefault("event_id", str(_uuid7(now_ms)))
        fields.setdefault("sent_time_ms", now_ms)
        fields["received_time_ms"] = now_ms
        if (flaw := write_json(newest().get(kind, ()), fields)) is not None:
            raise Unreadable(flaw)
        if kind == "session.started":
            self._admit_subject(fields)
            if isinstance(fields.get("protocol"), str):
                fields.setdefault(
                    "config_hash",
                    sha256(str(fields["protocol"]).encode("utf-8", "surrogatepass")).hexdigest(),
                )
        return kind, fields

    def _admit_subject(self, fields: dict[str, object]) -> None:
        """No consent, no sealing; no identity in the log."""
        basis = fields.get("consent_basis")
        if not basis or (isinstance(basis, str) and not basis.strip()):
            suggestion = "ask for consent and send its basis, such as declared:research"
            raise Unreadable(
                Flaw("consent_missing", "/consent_basis", "no basis of consent is given", suggestion)
            )
        participant_ref = fields.pop("participant_ref", None)
        if participant_ref is None:
            _refuse_identity(fields.get("subject_id"), basis)
            return
        if not isinstance(participant_ref, str) or not participant_ref.strip() or "subject_id" in fields:
            message = "participant_ref is a non-empty string, and stands instead of subject_id"
            raise Unreadable(Flaw("wrong_type", "/participant_ref", message, "send one of the two"))
        if (flaw := reference_flaw(participant_ref)) is not None:
            raise Unreadable(flaw)
        subject = self._subjects.seal(participant_ref)
        fields.update(subject_id=subject.subject_id, key_id=subject.key_id, subject_cipher=subject.cipher)

    def _encode(self, kind: str, fields: Mapping[str, object]) -> tuple[Event, Message]:
        value = self._codec.encode(kind, fields)
        event = self._codec.decode(value)
        return event, Message(event.session_id.encode(), value)


def _check_object(event: object) -> None:
    """Whatever a caller hands in, the answer is a verdict."""
    if not isinstance(event, Mapping):
        message = f"an event is an object or Avro bytes, not of type {type(event).__name__}"
        raise Unreadable(Flaw("wrong_type", "", message, "send a JSON object, or the bytes of one event"))
    if not all(isinstance(name, str) for name in event):
        raise Unreadable(Flaw("wrong_type", "", "a field's name is no string", "send a JSON object"))


def reference_flaw(participant_ref: str) -> Flaw | None:
    """Why this cannot be sealed as a reference to a participant, or None."""
    size = len(participant_ref.encode("utf-8", "surrogatepass"))
    if size <= _REFERENCE_BYTES_MAX and not any("\ud800" <= letter <= "\udfff" for letter in participant_ref):
        return None
    message = (
        f"participant_ref has {size} bytes or half a character; {_REFERENCE_BYTES_MAX} bytes are allowed"
    )
    return Flaw("out_of_range", "/participant_ref", message, "send a shorter text of whole characters")


def _refuse_identity(subject_id: object, basis: object) -> None:
    """A subject id of the sender's own making may be a name, unless it is random or a public data set's."""
    is_public = isinstance(basis, str) and basis.startswith("public_dataset:")
    if isinstance(subject_id, str) and not is_public and _RANDOM_ID.fullmatch(subject_id) is None:
        message = "subject_id is neither 32 hexadecimal digits nor of a public_dataset: basis"
        suggestion = "send participant_ref instead: it is replaced by a random id before anything is logged"
        raise Unreadable(Flaw("bad_pattern", "/subject_id", message, suggestion))


def _from_outside(kind: str) -> str:
    if kind in _HOUSE_KINDS:
        raise Unreadable(
            Flaw("unknown_kind", "/kind", f"{kind} is written by the house alone", "end with session.aborted")
        )
    return kind


def _uuid7(now_ms: int) -> uuid.UUID:
    """A version 7 UUID (RFC 9562): time-ordered, 74 random bits."""
    random = int.from_bytes(os.urandom(10), "big")
    value = (
        (now_ms & (1 << 48) - 1) << 80
        | 7 << 76
        | (random >> 62 & 0xFFF) << 64
        | 2 << 62
        | random & (1 << 62) - 1
    )
    return uuid.UUID(int=value)
