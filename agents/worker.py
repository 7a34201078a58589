"""The Faust worker: the agents over Kafka. The only importer of Faust, and it decides nothing.

Faust keeps membership, assignment, the changelog's recovery and the commits. Its guarantees end there, so one rule is ours: an
event is acknowledged in offset order, after the broker has acknowledged both what it made us send and the changelog of its row.
Whatever fails ends the process before the acknowledgement, and the redelivery mends it (``agents/scoring.py``).
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterable, Awaitable
from pathlib import Path
from typing import Any

import faust

from agents.scoring import Scoring
from agents.tables import ROW_FORMAT, freeze, thaw
from streams.log import Record
from streams.partitioner import partition_of
from streams.topics import (
    CHANGELOG,
    DEAD_LETTERS,
    EVENTS,
    LETTER_BYTES_MAX,
    PARTITIONS,
    SESSION_METRICS,
    TRAIT_PROFILES,
)

APP_ID, _TABLE = f"kymograph-worker-v{ROW_FORMAT}", "sessions"
assert CHANGELOG.name == f"{APP_ID}-{_TABLE}-changelog", "Faust names a table's changelog by app and table"

_QUEUE_MAX = 1_000
_COMMIT_EVERY, _COMMIT_INTERVAL_S = 1_000, 1.0

_log = logging.getLogger(__name__)

_Pending = tuple[
    Any, list[Awaitable[Any]]
]  # a Faust event, and what must be durable before it is acknowledged


class _DurableTable(faust.Table[bytes, bytes]):
    """Keeps the future of the last changelog message, which a stock table drops (traps C.3)."""

    last_sent: Any = None

    def on_key_set(self, key: bytes, value: bytes) -> None:
        """Send the row to the changelog, and remember the promise."""
        self.last_sent = self.send_changelog(self.partition_for_key(key), key, value)


def run(bootstrap_servers: str, scoring: Scoring, *, folder: Path) -> None:
    """Score what is on Kafka until SIGTERM or SIGINT; ``folder`` takes what Faust keeps beside. Ends the process."""
    folder.mkdir(parents=True, exist_ok=True)
    app = create_app(bootstrap_servers, scoring, folder=folder)
    faust.Worker(app, loglevel="WARNING", quiet=True, redirect_stdouts=False).execute_from_commandline()


def create_app(bootstrap_servers: str, scoring: Scoring, *, folder: Path) -> Any:
    """The app with its one agent. Every option that matters is spelled here, so that no variable of Faust's own changes it."""
    app = faust.App(
        APP_ID,
        broker=[f"kafka://{server.strip()}" for server in bootstrap_servers.split(",")],
        store="memory://",
        datadir=str(folder / "faust"),
        key_serializer="raw",
        value_serializer="raw",
        processing_guarantee="at_least_once",
        consumer_auto_offset_reset="earliest",
        broker_session_timeout=10.0,  # a killed worker's partitions are taken over after this
        broker_heartbeat_interval=3.0,
        broker_rebalance_timeout=30.0,
        broker_commit_every=_COMMIT_EVERY,
        broker_commit_interval=_COMMIT_INTERVAL_S,
        producer_acks=-1,
        producer_max_request_size=LETTER_BYTES_MAX,
        producer_request_timeout=60.0,
        stream_wait_empty=False,
        table_standby_replicas=0,
        topic_allow_declare=False,
        topic_disable_leader=True,
        topic_partitions=PARTITIONS,
        web_enabled=False,
        Table=_DurableTable,
    )
    rows: Any = app.Table(_TABLE, key_type=bytes, value_type=bytes, partitions=PARTITIONS)
    sinks = {
        topic.name: app.topic(topic.name, key_type=bytes, value_type=bytes)
        for topic in (SESSION_METRICS, TRAIT_PROFILES, DEAD_LETTERS)
    }
    acknowledging = _Acknowledging()
    events = app.topic(EVENTS.name, key_type=bytes, value_type=bytes, acks=True)

    @app.agent(events, concurrency=1)
    async def score(stream: Any) -> None:
        unacknowledged: AsyncIterable[Any] = stream.noack().events()
        async for event in unacknowledged:
            try:
                record = _record(event.message)
                frozen = rows.get(record.key)
                scored = scoring.advance(thaw(frozen) if frozen is not None else None, record)
                pending = [
                    await _send(sinks[topic], message.key, message.value) for topic, message in scored.sends
                ]
                if scored.row is not None:
                    rows[record.key] = freeze(
                        scored.row
                    )  # a repeat too: the changelog may have missed the first
                    pending.append(rows.last_sent)
                await acknowledging.put(stream, event, pending)
            except Exception as error:  # noqa: BLE001  # Faust would acknowledge the event and go on without it (traps A.2)
                _end(error)

    return app


async def _send(sink: Any, key: bytes, value: bytes) -> Awaitable[Any]:
    """Hand a message to the producer; what comes back is done when the broker has it."""
    promise: Awaitable[Any] = await sink.send(key=key, value=value, partition=partition_of(key, PARTITIONS))
    return promise


class _Acknowledging:
    """One task a partition, so that acknowledgements keep the order of offsets (Faust commits past gaps; traps C.2)."""

    def __init__(self) -> None:
        self._queues: dict[int, asyncio.Queue[_Pending]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def put(self, stream: Any, event: Any, pending: list[Awaitable[Any]]) -> None:
        """Acknowledge the event once all of it is durable. Waits while too many are in flight."""
        partition = event.message.partition
        if partition not in self._queues:
            self._queues[partition] = asyncio.Queue(_QUEUE_MAX)
            self._tasks.append(asyncio.create_task(_acknowledge(stream, self._queues[partition])))
        await self._queues[partition].put((event, pending))


async def _acknowledge(stream: Any, queue: asyncio.Queue[_Pending]) -> None:
    while True:
        event, pending = await queue.get()
        try:
            for promise in pending:
                await promise
            await stream.ack(event)
        except Exception as error:  # noqa: BLE001  # not durable: not acknowledged
            _end(error)


def _record(message: Any) -> Record:
    return Record(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        key=message.key or b"",
        value=message.value or b"",
        time_ms=int(1000 * message.timestamp),
    )


def _end(error: Exception) -> None:
    """Stop at once, as kill -9 would: nothing of what failed is acknowledged, and the next start repeats it."""
    _log.critical("the worker ends, nothing is lost: %r", error, exc_info=error)
    os._exit(1)
