"""What the peers' programs share, apart from the frames: their options, an event decoded and counted into its windows, what they tell.

It knows fastavro and nothing of Kymograph: only the programs that do the same work import our code, through ``chain.py``.
"""

import argparse
import json
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from fastavro import parse_schema, schemaless_reader
from fastavro.schema import fingerprint, to_parsing_canonical_form

WIDTHS_US = (10_000_000, 60_000_000)
PARTITIONS = 16
FRAME_BYTES = 10  # C3 01 and the schema's fingerprint

# "width,index" to events, responses, latency_us, latency_us_max. A row holds a session's minute, that is one window of 60 s and up to
# six of 10 s, so that a state that is written once an event is written once and not twice.
Row = dict[str, list[int]]


def options() -> argparse.Namespace:
    """What the benchmark tells a peer."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap", required=True, help="the broker's host:port")
    parser.add_argument("--topic", required=True)
    parser.add_argument("--events", type=int, required=True, help="how many lie in the topic")
    parser.add_argument("--schemas", type=Path, required=True, help="the folder of the events' schemas")
    parser.add_argument("--folder", type=Path, required=True, help="where the peer may keep state")
    parser.add_argument("--profiles", required=True, help="the topic for profiles, where they are sent")
    parser.add_argument(
        "--result", type=Path, required=True, help="the file for what is not sent, a line each"
    )
    return parser.parse_args()


def decoder(folder: Path) -> Callable[[bytes], dict[str, Any]]:
    """A function that decodes an event by the fingerprint in its frame."""
    known = {}
    for path in folder.glob("*.avsc"):
        schema = json.loads(path.read_text(encoding="utf-8"))
        crc64 = bytes.fromhex(fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO"))
        known[crc64] = parse_schema(_plain(schema))

    def decode(value: bytes) -> dict[str, Any]:
        event: dict[str, Any] = schemaless_reader(
            BytesIO(value[FRAME_BYTES:]), known[value[2:FRAME_BYTES]], None
        )  # type: ignore[assignment]
        return event

    return decode


def is_timed(event: dict[str, Any]) -> bool:
    """Whether an event has a time of its own; no window counts one without."""
    return event.get("t_us") is not None


def minute(event: dict[str, Any]) -> int | None:
    """Which minute of its session an event lies in; None for one without a time, which no window counts."""
    t_us = event.get("t_us")
    return None if t_us is None else t_us // WIDTHS_US[-1]


def counted(row: Row | None, event: dict[str, Any]) -> Row:
    """The row of an event's minute (or of its session) with the event in both its windows. Changes the row that it is given."""
    row = {} if row is None else row
    t_us, latency_us = event["t_us"], event.get("latency_us")
    for width_us in WIDTHS_US:
        place = f"{width_us},{t_us // width_us}"
        events, responses, total, largest = row.get(place) or (0, 0, 0, 0)
        if latency_us is None:
            row[place] = [events + 1, responses, total, largest]
        else:
            row[place] = [events + 1, responses + 1, total + latency_us, max(largest, latency_us)]
    return row


def lines(session_id: str, row: Row) -> Iterator[str]:
    """A row's windows as the digest is made of them."""
    for place, vector in row.items():
        yield f"{session_id},{place}," + ",".join(map(str, vector)) + "\n"


def write(path: Path, lines: Iterable[str]) -> None:
    """The final windows, or profiles, in any order."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(lines)


def tell(events: int, seconds: float) -> None:
    """The peer's answer, on a line of its own: Faust hides the cursor before it."""
    print("\n" + json.dumps({"events": events, "seconds": seconds}), flush=True)


def _plain(schema: Any) -> Any:
    """The schema without logical types: nobody here needs a datetime, and making them would slow the peers down."""
    if isinstance(schema, dict):
        return {name: _plain(part) for name, part in schema.items() if name != "logicalType"}
    return [_plain(part) for part in schema] if isinstance(schema, list) else schema
