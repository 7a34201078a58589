"""Bytewax with its own windows: two ``fold_window`` over one keyed stream, by the participant's clock, into a sink in memory.

A window comes out when it closes, so once. Recovery is off, as by default: nothing is durable before the end.
"""

import time
from datetime import UTC, datetime, timedelta

import bytewax.operators as op
import bytewax.operators.windowing as win
import work
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.run import cli_main
from bytewax.testing import TestingSink

OPTIONS = work.options()
DECODE = work.decoder(OPTIONS.schemas)
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)  # of every session; any will do
CLOCK = {"began": 0.0, "handled": 0}


def keyed(message):
    """The event under its session; the first one starts the clock."""
    CLOCK["began"] = CLOCK["began"] or time.perf_counter()
    CLOCK["handled"] += 1
    return message.key.decode(), DECODE(message.value)


def moment(event):
    """When an event was."""
    return BEGIN + timedelta(microseconds=event["t_us"])


def count(vector, event):
    """Count an event into its window."""
    vector[0] += 1
    latency_us = event.get("latency_us")
    if latency_us is not None:
        vector[1] += 1
        vector[2] += latency_us
        vector[3] = max(vector[3], latency_us)
    return vector


def merged(vector, other):
    """Two windows as one: tumbling ones never are."""
    raise NotImplementedError


def main():
    """Run to the end of the topic, then write what came out."""
    flow, found = Dataflow("bench_bytewax"), {width_us: [] for width_us in work.WIDTHS_US}
    messages = op.input("events", flow, KafkaSource([OPTIONS.bootstrap], [OPTIONS.topic], tail=False))
    events = op.map("decode", messages, keyed)
    timed = op.filter("timed", events, lambda item: work.is_timed(item[1]))
    # The machine's clock stands still: a backlog is read, in which only the events' own time passes, and so no event is late.
    clock = win.EventClock(
        moment, wait_for_system_duration=timedelta(0), now_getter=lambda: BEGIN, to_system_utc=lambda _: None
    )
    for width_us, rows in found.items():
        windower = win.TumblingWindower(length=timedelta(microseconds=width_us), align_to=BEGIN)
        windows = win.fold_window(
            f"windows_{width_us}", timed, clock, windower, lambda: [0, 0, 0, 0], count, merged, ordered=False
        )
        op.output(f"latest_{width_us}", windows.down, TestingSink(rows))
    cli_main(flow)
    work.tell(CLOCK["handled"], time.perf_counter() - CLOCK["began"])
    work.write(
        OPTIONS.result,
        (
            line
            for width_us, rows in found.items()
            for session_id, (index, vector) in rows
            for line in work.lines(session_id, {f"{width_us},{index}": vector})
        ),
    )


if __name__ == "__main__":
    main()
