"""Bytewax: the topic keyed by session, a ``stateful_map`` that gives the session's windows after each event.

Recovery is off, as by default: nothing is durable before the end, and a crash loses all. The sink keeps what came last in memory. Both
are in its favour, and so is that the state is one object a session, which nobody serializes.
"""

import time

import bytewax.operators as op
import work
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.run import cli_main

OPTIONS = work.options()
DECODE = work.decoder(OPTIONS.schemas)
CLOCK = {"began": 0.0, "handled": 0}


def keyed(message):
    """The event under its session; the first one starts the clock."""
    CLOCK["began"] = CLOCK["began"] or time.perf_counter()
    CLOCK["handled"] += 1
    return message.key.decode(), DECODE(message.value)


def count(row, event):
    """Count an event into its windows: the new state, and what goes on."""
    row = row if work.minute(event) is None else work.counted(row, event)
    return row, row


class Latest(DynamicSink, StatelessSinkPartition):
    """The windows of each session as they came last."""

    def __init__(self):
        self.rows = {}

    def build(self, step_id, worker_index, worker_count):
        """One worker, so one part: this."""
        return self

    def write_batch(self, items):
        """Keep the rows of a batch."""
        self.rows.update(items)


def main():
    """Run to the end of the topic, then write what came out."""
    flow, latest = Dataflow("bench_bytewax"), Latest()
    messages = op.input("events", flow, KafkaSource([OPTIONS.bootstrap], [OPTIONS.topic], tail=False))
    rows = op.stateful_map("windows", op.map("decode", messages, keyed), count)
    op.output("latest", rows, latest)
    cli_main(flow)
    work.tell(CLOCK["handled"], time.perf_counter() - CLOCK["began"])
    work.write(
        OPTIONS.result,
        (line for session_id, row in latest.rows.items() for line in work.lines(session_id, row)),
    )


if __name__ == "__main__":
    main()
