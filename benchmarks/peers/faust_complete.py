"""Faust doing the same work: Kymograph's chain one event at a time, the session's row in a table, the profiles to a topic.

The table is in memory and holds the row as it is; Faust freezes it by a codec for each update of the changelog, one an event.
"""

import os
import signal
import time

import chain
import faust
import work
from faust.serializers import codecs

from agents.tables import freeze, thaw

OPTIONS = work.options()


class Row(codecs.Codec):
    """A session's row as the changelog has it."""

    def _dumps(self, row):
        return freeze(row)

    def _loads(self, data):
        return thaw(data)


codecs.register("row", Row())
app = faust.App(
    "bench-faust-complete",
    broker=f"kafka://{OPTIONS.bootstrap}",
    store="memory://",
    datadir=str(OPTIONS.folder),
    consumer_auto_offset_reset="earliest",
    topic_partitions=work.PARTITIONS,
    topic_disable_leader=True,
    web_enabled=False,
)
events = app.topic(
    OPTIONS.topic, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
)
profiles = app.topic(
    OPTIONS.profiles, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
)
rows = app.Table("rows", key_type=bytes, partitions=work.PARTITIONS)
rows.value_serializer = "row"  # it takes no codec as an argument


@app.agent(events)
async def score(stream):
    """Fold every event into its session's row; at the last one wait until the broker has profiles and changelog."""
    began, handled = 0.0, 0
    async for event in stream.events():
        began = began or time.perf_counter()
        message = event.message
        record = chain.record(
            message.topic, message.partition, message.offset, key=message.key, value=event.value
        )
        scored = chain.SCORING.advance(rows.get(message.key), record)
        rows[message.key] = scored.row
        for profile in chain.profiles(scored):
            await profiles.send(key=message.key, value=profile)
        handled += 1
        if handled == OPTIONS.events:
            await app.producer.flush()
            work.tell(handled, time.perf_counter() - began)
            os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    faust.Worker(app, loglevel="WARNING", quiet=True, redirect_stdouts=False).execute_from_commandline()
