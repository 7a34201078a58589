"""JSON lines: one event a line, in our form (``kind``) or the seed's (``event_type``)."""

from collections.abc import Iterable, Iterator

import msgspec

from agents.event_logger import Verdict
from importers.importing import Parsed


def events(lines: Iterable[bytes]) -> Iterator[Parsed]:
    """Every line that is not blank: its event, or a rejection that names the line."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        place = f"line {number}"
        try:
            yield Parsed(place, msgspec.json.decode(line, type=dict[str, object]))
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            verdict = Verdict(
                status="rejected",
                code="malformed",
                pointer="",
                message=f"{place} is no JSON object: {error}",
                suggestion="write one JSON object a line",
            )
            yield Parsed(place, verdict)
