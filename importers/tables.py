"""Delimited tables as studies publish them: with commas or tabs, with or without gzip. Rows, and times as whole microseconds."""

import csv
import gzip
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TextIO, cast

SECOND_US = 1_000_000
MILLISECOND_US = 1_000
_TIME_US_MAX = 1_000_000 * SECOND_US  # far beyond what the schemas allow, and far below what an int64 holds
_NUMBER = re.compile(r" *[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)? *")
_CELL_CHARS_MAX = 1 << 24  # mouse and eye tracks stand in one cell

Row = tuple[str, dict[str, str]]  # its place, for people to find it; its columns


class NotOfThisForm(Exception):
    """The input is none that this importer reads; the message says what is missing."""


def rows(path: Path, needed: set[str], form: str, *, known: Mapping[str, str] | None = None) -> Iterator[Row]:
    """The rows under a header that must have the ``needed`` columns; ``known`` are columns that hold for every row and are not
    asked for. ``form`` says in the message what the table might be. Raises NotOfThisForm before the first row, OSError.
    """
    known = known or {}
    csv.field_size_limit(_CELL_CHARS_MAX)
    with opened(path) as text:
        reader = _reader(text)
        missing = needed - set(reader.fieldnames or ()) - known.keys()
        if missing:
            raise NotOfThisForm(f"{path} has no column {', '.join(sorted(missing))}: is it {form}?")
        for row in reader:
            # a row that is short has None for its last cells, one that is long a list under None
            cells = {name: value or "" for name, value in row.items() if name is not None}
            yield f"{path.name} line {reader.line_num + 1}", {**known, **cells}


def columns(path: Path) -> set[str]:
    """The names in the header. Raises NotOfThisForm, OSError."""
    with opened(path) as text:
        return set(_reader(text).fieldnames or ())


@contextmanager
def opened(path: Path) -> Iterator[TextIO]:
    """As UTF-8 text, with or without gzip and a byte order mark; line ends stay as they are. Raises NotOfThisForm, OSError."""
    with path.open("rb") as raw:
        is_gzip = raw.read(2) == b"\x1f\x8b"
    read = cast(Callable[..., TextIO], gzip.open if is_gzip else open)
    try:
        with read(path, "rt", encoding="utf-8-sig", newline="") as text:
            yield text
    except (UnicodeDecodeError, gzip.BadGzipFile, zlib.error, EOFError, csv.Error) as error:
        raise NotOfThisForm(f"{path} cannot be read: {error}") from error


def _reader(text: TextIO) -> "csv.DictReader[str]":
    first = text.readline()
    delimiter = "\t" if "\t" in first else ","
    return csv.DictReader(text, next(csv.reader([first], delimiter=delimiter), []), delimiter=delimiter)


def micros(row: Mapping[str, object], column: str, unit_us: int = SECOND_US) -> int:
    """A decimal number of units, in ASCII, rounded to the nearest microsecond (halfway: to the even one), through no float. Raises
    ValueError, which names the column.
    """
    text = str(row.get(column))
    try:
        if _NUMBER.fullmatch(text) is None:
            raise InvalidOperation
        time_us = Decimal(text) * unit_us
        if not abs(time_us) < _TIME_US_MAX:
            raise ValueError(f"{column} is {text[:30]!r}, beyond any session")
        return int(time_us.to_integral_exact())
    except ArithmeticError as error:
        raise ValueError(f"{column} is {text[:30]!r}, no number of {_UNITS[unit_us]}") from error


_UNITS = {SECOND_US: "seconds", MILLISECOND_US: "milliseconds"}
