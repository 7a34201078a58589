"""The Faust worker: the agents over Kafka. The only importer of Faust, and it decides nothing.

Faust keeps membership, assignment and the commits; what is folded, and what must be durable before a commit, is ``agents/live.py``.
Faust's cost is by the message, so that the log's records reach the agent a fetched chunk at a time. A worker's memory of a partition
lasts as long as it owns it: every rebalance begins anew from the changelog, which holds all that was committed.

Whatever fails ends the process before the commit, and the redelivery mends it.
"""

import asyncio
import logging
import os
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import faust
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from agents.fetched import Records
from agents.live import Live
from agents.watch import Watch
from streams.log import Log
from streams.topics import EVENTS, LETTER_BYTES_MAX, PARTITIONS

APP_ID = "kymograph-worker-v2"

_ROUND_S = 1.0
_CHUNK_RECORDS = 8_000
_CHUNKS_WAITING = 8
_FETCH_BYTES = 4 * 1_048_576

_log = logging.getLogger(__name__)


class _Consumer(driver.Consumer):
    """Faust's consumer, with chunks of the log for messages, and commits that follow the rounds of ``Live``."""

    app: Any

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:  # noqa: ASYNC109  # Faust's name
        """A message for every partition that was fetched: its records, under the offset of the last."""
        waited: Any = await self._wait_next_records(timeout)
        records, active = waited
        generation, live = self.app.consumer_generation_id, self.app.live
        if records is None or self.should_stop:
            return
        if not self.flow_active:
            await self.perform_seek()
            return
        for tp, fetched in records.items():
            if active is not None and tp not in active:
                continue
            for at in range(0, len(fetched), _CHUNK_RECORDS):
                if not self._flows(generation):
                    return
                chunk = live.generation, _records(fetched[at : at + _CHUNK_RECORDS])
                yield tp, _message(tp, chunk, fetched[at], generation)

    def _flows(self, generation: int) -> bool:
        """What is left out because it does not is read by ``Live.take``, or fetched anew from what was committed."""
        return self.flow_active and self.app.consumer_generation_id == generation

    def on_buffer_full(self, tp: TP) -> None:
        """A full queue holds the fetching up by itself."""

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Remember what was known of the partitions before any record of them comes."""
        try:
            partitions = {tp.partition for tp in assigned if tp.topic == EVENTS.name}
            self.app.watch.assigned(partitions)
            began_s = self.app.watch.now_s()
            await self._off_loop(self._own, partitions)
            self.app.watch.recovered(self.app.watch.now_s() - began_s)
        except Exception as error:  # noqa: BLE001  # nothing can be folded without it
            end(error)
        await super().on_partitions_assigned(assigned, generation_id)

    def _own(self, partitions: set[int]) -> None:
        live, log = self.app.live, self.app.log_port
        committed = log.committed(APP_ID, EVENTS.name)
        self.app.begins = {
            TP(EVENTS.name, number): live.own(number, committed.get(number, 0))
            for number in sorted(partitions)
        }

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Commit what can be, and forget."""
        await self.commit()
        self.app.live.disown()
        self.app.watch.revoked([tp.partition for tp in revoked])
        await super().on_partitions_revoked(revoked)

    async def perform_seek(self) -> None:
        """To what was committed, or further back where less is remembered than that."""
        await super().perform_seek()
        for tp, begin in self.app.begins.items():
            committed = self._committed_offset[tp]
            if committed is not None and begin < committed:
                await self.seek(tp, begin)

    async def force_commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """A round: what was folded is made durable, and then its offsets are committed."""
        try:
            self.app.watch.beat()
            began_s = self.app.watch.now_s()
            made = self.app.live.prepare()
            if made is None:
                return False
            await self._off_loop(made.write, self.app.log_port)
            offsets = {TP(EVENTS.name, partition): offset for partition, offset in made.offsets.items()}
            committed: bool = await self._commit_offsets(offsets)
        except Exception as error:  # noqa: BLE001  # not durable: not committed
            end(error)
        self.app.begins = {}
        self.app.watch.committed(made.offsets, made.done, self.app.watch.now_s() - began_s)
        return committed

    async def _off_loop(self, call: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self.app.writer, call, *arguments)


_fetcher: Any = driver.aiokafka.consumer.fetcher  # type: ignore[attr-defined]  # of Faust's own driver


class _AsStored(_fetcher.PartitionRecords):  # type: ignore[misc]  # aiokafka is untyped
    """aiokafka makes an object of each record; what it makes it of has all that we read, and is there already."""

    def _consumer_record(self, tp: Any, record: Any) -> Any:
        return record


class _Transport(driver.Transport):
    Consumer = _Consumer


class _AsFetched(faust.Schema):  # type: ignore[type-arg]
    """A chunk needs no decoding by Faust."""

    def loads_key(self, app: Any, message: Any, **_: Any) -> Any:
        return message.key

    def loads_value(self, app: Any, message: Any, **_: Any) -> Any:
        return message.value


def run(bootstrap_servers: str, live: Live, log: Log, watch: Watch, *, folder: Path) -> None:
    """Score what is on Kafka until SIGTERM or SIGINT; ``folder`` takes what Faust keeps beside. Ends the process."""
    folder.mkdir(parents=True, exist_ok=True)
    app = create_app(bootstrap_servers, live, log, watch, folder=folder)
    watch.follow(log, APP_ID, threading.Event())
    faust.Worker(app, loglevel="WARNING", quiet=True, redirect_stdouts=False).execute_from_commandline()


def create_app(bootstrap_servers: str, live: Live, log: Log, watch: Watch, *, folder: Path) -> Any:
    """The app with its one agent. Every option that matters is spelled here, so that no variable of Faust's own changes it."""
    app: Any = faust.App(
        APP_ID,
        broker=[f"kafka://{server.strip()}" for server in bootstrap_servers.split(",")],
        store="memory://",
        datadir=str(folder / "faust"),
        key_serializer="raw",
        value_serializer="raw",
        processing_guarantee="at_least_once",
        consumer_auto_offset_reset="earliest",  # what is gone is noticed by ``Live``
        consumer_max_fetch_size=_FETCH_BYTES,
        broker_max_poll_records=_CHUNK_RECORDS * PARTITIONS,
        broker_check_crcs=True,
        broker_session_timeout=10.0,  # a killed worker's partitions are taken over after this
        broker_heartbeat_interval=3.0,
        broker_rebalance_timeout=30.0,
        broker_commit_every=1 << 40,
        broker_commit_interval=_ROUND_S,
        producer_acks=-1,
        producer_max_request_size=LETTER_BYTES_MAX,
        producer_request_timeout=60.0,
        stream_wait_empty=False,
        stream_buffer_maxsize=_CHUNKS_WAITING,
        table_standby_replicas=0,
        topic_allow_declare=False,
        topic_disable_leader=True,
        topic_partitions=PARTITIONS,
        web_enabled=False,
    )
    _fetcher.PartitionRecords = _AsStored
    app.transport = _Transport(app.conf.broker_consumer, app)
    app.live, app.log_port, app.watch, app.begins = live, log, watch, {}
    app.writer = ThreadPoolExecutor(1)
    events = app.topic(EVENTS.name, schema=_AsFetched(key_type=bytes, value_type=bytes), acks=False)

    @app.agent(events, concurrency=1)  # type: ignore[untyped-decorator]
    async def score(stream: Any) -> None:
        chunks: AsyncIterator[Any] = stream.noack().events()
        async for event in chunks:
            generation, records = event.message.value
            partition = event.message.partition
            try:
                if generation == live.generation and live.owns(partition):
                    live.take(partition, records)
                    watch.chunk(len(records.offsets))
            except Exception as error:  # noqa: BLE001  # Faust would go on without the chunk (traps A.2)
                end(error)
            await asyncio.sleep(0)

    return app


def _records(fetched: list[Any]) -> Records:
    return Records(
        [one.offset for one in fetched],
        [one.timestamp for one in fetched],
        [one.key or b"" for one in fetched],
        [one.value or b"" for one in fetched],
    )


def _message(tp: TP, chunk: tuple[int, Records], first: Any, generation: int) -> Any:
    """A chunk as one message; Faust passes by what is not of its own ``generation``."""
    return ConsumerMessage(
        tp.topic,
        tp.partition,
        chunk[1].offsets[-1],
        first.timestamp / 1000,
        first.timestamp_type,
        [],
        None,
        chunk,  # type: ignore[arg-type]  # Faust hands it on as it is
        None,
        0,
        0,
        tp,
        generation_id=generation,
    )


def end(error: Exception) -> None:
    """Stop at once, as kill -9 would: nothing of what failed is committed, and the next start repeats it."""
    _log.critical("the worker ends, nothing is lost: %r", error, exc_info=error)
    os._exit(1)
