"""Faust as its documentation shows it: one agent, one event at a time, a table update an event, changelog on."""

import os
import signal
import time

import faust
import work

OPTIONS = work.options()
DECODE = work.decoder(OPTIONS.schemas)

app = faust.App(
    "bench-naive-faust",
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
rows = app.Table("rows", key_type=str, partitions=work.PARTITIONS)


def lines():
    """The final windows."""
    for key, row in rows.items():
        yield from work.lines(key.partition(",")[0], row)


@app.agent(events)
async def count(stream):
    """Count every event into its windows; at the last one wait until the changelog has all."""
    began, handled = 0.0, 0
    async for value in stream:
        began = began or time.perf_counter()
        event = DECODE(value)
        minute = work.minute(event)
        if minute is not None:
            key = f"{event['session_id']},{minute}"
            rows[key] = work.counted(rows.get(key), event)
        handled += 1
        if handled == OPTIONS.events:
            await app.producer.flush()
            work.tell(handled, time.perf_counter() - began)
            work.write(OPTIONS.result, lines())
            os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    faust.Worker(app, loglevel="WARNING", quiet=True, redirect_stdouts=False).execute_from_commandline()
