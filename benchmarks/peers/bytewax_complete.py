"""Bytewax doing the same work: Kymograph's chain in a ``stateful_flat_map`` by session, the profiles to a sink in memory.

The state is the row itself, which nobody freezes: recovery is off, as by default, so nothing is durable before the end.
"""

import time

import bytewax.operators as op
import chain
import work
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.run import cli_main
from bytewax.testing import TestingSink

OPTIONS = work.options()
CLOCK = {"began": 0.0, "handled": 0}


def session(message):
    """The key of the state; the first message starts the clock."""
    CLOCK["began"] = CLOCK["began"] or time.perf_counter()
    CLOCK["handled"] += 1
    return message.key.decode()


def score(row, message):
    """Fold an event into its session's row: the new state, and the session's profiles, if it ends."""
    record = chain.record(
        message.topic, message.partition, message.offset, key=message.key, value=message.value
    )
    scored = chain.SCORING.advance(row, record)
    return scored.row, chain.profiles(scored)


def main():
    """Run to the end of the topic, then write what came out."""
    flow, found = Dataflow("bench_bytewax"), []
    messages = op.input("events", flow, KafkaSource([OPTIONS.bootstrap], [OPTIONS.topic], tail=False))
    profiles = op.stateful_flat_map("score", op.key_on("session", messages, session), score)
    op.output("profiles", profiles, TestingSink(found))
    cli_main(flow)
    work.tell(CLOCK["handled"], time.perf_counter() - CLOCK["began"])
    work.write(OPTIONS.result, (chain.line(profile) for _, profile in found))


if __name__ == "__main__":
    main()
