"""JSON lines, with or without gzip: one event a line, in our form (``kind``) or the seed's (``event_type``)."""

import gzip
import zlib
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from io import BufferedReader, RawIOBase
from typing import BinaryIO, cast

import msgspec

from agents.event_logger import Verdict
from importers.importing import Parsed
from importers.tables import NotOfThisForm


def events(lines: Iterable[bytes]) -> Iterator[Parsed]:
    """Every line that is not blank: its event, or a rejection that names the line."""
    for number, raw in enumerate(lines, 1):
        line = raw.removeprefix(BOM_UTF8) if number == 1 else raw
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


def events_of(file: BinaryIO) -> Iterator[Parsed]:
    """Every line of a file or a pipe, which may be compressed. Raises NotOfThisForm where the compression is broken: the input is
    not at its end then, so its sessions stay open for the whole of it.
    """
    buffered = file if isinstance(file, BufferedReader) else BufferedReader(cast(RawIOBase, file))
    if buffered.peek(2)[:2] != b"\x1f\x8b":
        yield from events(buffered)
        return
    place = "its beginning"
    try:
        with gzip.open(buffered) as lines:
            for parsed in events(lines):
                place = parsed.place
                yield parsed
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        message = f"the compression is broken after {place} ({error}): send the whole input again"
        raise NotOfThisForm(message) from error
