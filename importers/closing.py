"""Which imported sessions nothing more will come for: an importer closes them at the end of its input."""

from collections.abc import Mapping, Sequence

from agents.event_logger import EventLogger, Verdict

_ENDS = {"session.completed", "session.aborted", "session_end"}


class _Seen:
    def __init__(self) -> None:
        self.seqs: set[int] = set()
        self.last_seq: int | None = None
        self.numbered = True


class ImportedSessions:
    """Notes what was accepted of each session, and closes those that cannot close themselves."""

    def __init__(self) -> None:
        """Nothing seen yet."""
        self._sessions: dict[str, _Seen] = {}

    def note(self, events: Sequence[Mapping[str, object]], verdicts: Sequence[Verdict]) -> None:
        """Take up a batch and its verdicts."""
        for event, verdict in zip(events, verdicts, strict=True):
            if verdict.session_id is None:
                continue
            seen = self._sessions.setdefault(verdict.session_id, _Seen())
            kind = event.get("kind", event.get("event_type"))
            seen.numbered = (
                seen.numbered and "kind" in event
            )  # the seed's form is numbered by the door, without gaps
            if verdict.status != "rejected" and verdict.seq is not None:
                seen.seqs.add(verdict.seq)
                if kind in _ENDS:
                    seen.last_seq = verdict.seq

    def close(self, logger: EventLogger) -> int:
        """Close what would stay open; how many. Raises LogUnavailable."""
        closed = 0
        for session_id, seen in self._sessions.items():
            if not seen.seqs:
                continue
            if seen.last_seq is None:
                logger.close_session(session_id, "input_ended")
            elif seen.numbered and not seen.seqs.issuperset(range(seen.last_seq)):
                logger.close_session(session_id, "gaps")
            else:
                continue
            closed += 1
        return closed
