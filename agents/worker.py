"""The Faust shell: an agent over Kafka. The only importer of Faust, and it decides nothing.

Faust keeps membership, assignment and the commits; what is folded, and what must be durable before a commit, is the agent's own
(``agents/rounds.py``). Faust's cost is by the message, so that a topic's records reach the agent a fetched chunk at a time. What an owner
knows of a partition lasts as long as it owns it: every rebalance begins anew from what was kept, beside the loop, because a member
that does not come back from its assignment is thrown out of the group.

Whatever fails ends the process before the commit, and the redelivery mends it.
"""

import asyncio
import gc
import logging
import os
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import faust
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from agents.fetched import Records
from agents.rounds import Work
from agents.watch import Watch
from streams.log import Log
from streams.topics import LETTER_BYTES_MAX, PARTITIONS

_ROUND_S = 1.0
_CHUNK_RECORDS = (
    20_000  # a tenth of a second's work; a session's share of a chunk costs as much as its events
)
_CHUNKS_WAITING = 4
_POLL_RECORDS = 128_000
_LOOK_S = 0.05
_COLLECTED_EVERY = 50_000  # objects of a chunk come and go by the ten thousand, and hold no cycles
_FETCH_BYTES = 4 * 1_048_576

_log = logging.getLogger(__name__)


class _Consumer(driver.Consumer):
    """Faust's consumer, with chunks of the topic for messages, and commits that follow the rounds of the agent."""

    app: Any

    def _new_consumer_thread(self) -> Any:
        return _Thread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:  # noqa: ASYNC109  # Faust's name
        """A message for every partition that was fetched: its records, under the offset of the last."""
        if not self.app.is_ready:
            await self.sleep(_LOOK_S)
            return
        waited: Any = await self._wait_next_records(timeout)
        records, active = waited
        generation, work = self.app.consumer_generation_id, self.app.work
        if records is None or self.should_stop:
            return
        if not self.flow_active:
            await self.perform_seek()
            return
        for tp, fetched in records.items():
            if active is not None and tp not in active:
                continue
            for chunk in _chunks(fetched):
                if not self._flows(generation):
                    return
                yield tp, _message(tp, (work.generation, chunk), generation)

    def _flows(self, generation: int) -> bool:
        """What is left out because it does not is read by ``Work.take``, or fetched anew from what was committed."""
        return self.flow_active and self.app.consumer_generation_id == generation

    def on_buffer_full(self, tp: TP) -> None:
        """A full queue holds the fetching up by itself."""

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Nothing is fetched before what was known of the partitions is remembered."""
        await super().on_partitions_assigned(assigned, generation_id)
        partitions = {tp.partition for tp in assigned if tp.topic == self.app.work.topic}
        self.app.watch.assigned(partitions)
        self.app.remembering = asyncio.ensure_future(self._remember(partitions, self.app.assignments))

    async def _remember(self, partitions: set[int], assignment: int) -> None:
        app = self.app
        try:
            began_s = app.watch.now_s()
            known = await asyncio.get_running_loop().run_in_executor(None, self._known, partitions)
            if app.assignments != assignment:  # others have them now
                return
            for partition, memory in known.items():
                app.work.own(partition, memory)
            app.is_ready = True
            await self._seek_on()
            app.watch.recovered(app.watch.now_s() - began_s)
        except Exception as error:  # noqa: BLE001  # nothing can be folded without it
            end(error)

    def _known(self, partitions: set[int]) -> dict[int, Any]:
        committed = self.app.log_port.committed(self.app.conf.id, self.app.work.topic)
        return {
            number: self.app.work.remember(number, committed.get(number, 0)) for number in sorted(partitions)
        }

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Commit what can be, and forget."""
        self.app.assignments += 1
        self.app.is_ready = False
        await self.commit()
        self.app.work.disown()
        self.app.durable.clear()
        self.app.watch.revoked([tp.partition for tp in revoked])
        await super().on_partitions_revoked(revoked)

    async def perform_seek(self) -> None:
        """To where the agent stands, whatever was committed: what lies in queues is taken once all the same."""
        await super().perform_seek()
        await self._seek_on()

    async def _seek_on(self) -> None:
        for partition in self.app.work.owned():
            await self.seek(TP(self.app.work.topic, partition), self.app.work.position(partition))

    async def force_commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """A round: what was taken is made durable, and then its offsets are committed."""
        app = self.app
        try:
            app.watch.beat()
            began_s = app.watch.now_s()
            made = app.work.prepare()
            if made is not None:
                await asyncio.get_running_loop().run_in_executor(app.writer, made.write, app.log_port)
                app.watch.durable(made.done)
                app.durable.update(made.offsets)
            if not app.durable:
                return False
            offsets = {TP(app.work.topic, partition): offset for partition, offset in app.durable.items()}
            if not await self._commit_offsets(offsets):  # the next round's commit, or the next owner's
                return False
        except Exception as error:  # noqa: BLE001  # not durable: not committed
            end(error)
        app.watch.committed(
            {tp.partition: offset for tp, offset in offsets.items()}, app.watch.now_s() - began_s
        )
        app.durable.clear()
        return True


class _Thread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        """What an aborted transaction left behind is no record of the log: as every other reader has it."""
        consumer: Any = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"  # noqa: SLF001  # Faust has no option for it
        return consumer


_fetcher: Any = driver.aiokafka.consumer.fetcher  # type: ignore[attr-defined]  # of Faust's own driver


class _AsStored(_fetcher.PartitionRecords):  # type: ignore[misc]  # aiokafka is untyped
    """aiokafka makes an object of each record; what it makes it of has all that we read, and is there already."""

    def __init__(self, tp: Any, records: Any, *others: Any, **named: Any) -> None:
        super().__init__(tp, _Batches(records), *others, **named)

    def _consumer_record(self, tp: Any, record: Any) -> Any:
        return record


class _Batches:
    """A fetched partition's batches, of which none can stop the reading."""

    def __init__(self, records: Any) -> None:
        self._records = records
        self.has_next = records.has_next

    def next_batch(self) -> Any:
        batch = self._records.next_batch()
        return None if batch is None else _Batch(batch)


class _Batch:
    """A batch as aiokafka has it; where it cannot make sense of a record, one that stands for all of them."""

    def __init__(self, batch: Any) -> None:
        self._batch = batch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        """Of a control batch its marker is asked for."""
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        try:
            return iter(list(self._batch))
        except UnicodeDecodeError:  # the name of a header
            return iter([_Unread(self._batch.next_offset - 1)])


class _Unread:
    """In the place of records that are read in another way (``agents/fetched.py``), up to this offset."""

    key = value = timestamp = None

    def __init__(self, offset: int) -> None:
        self.offset = offset


class _Transport(driver.Transport):
    Consumer = _Consumer


class _AsFetched(faust.Schema):  # type: ignore[type-arg]
    """A chunk needs no decoding by Faust."""

    def loads_key(self, app: Any, message: Any, **_: Any) -> Any:
        return message.key

    def loads_value(self, app: Any, message: Any, **_: Any) -> Any:
        return message.value


def run(
    bootstrap_servers: str, work: Work[Any], log: Log, watch: Watch[Any], *, group: str, folder: Path
) -> None:
    """Work on what is on Kafka until SIGTERM or SIGINT; ``folder`` takes what Faust keeps beside. Ends the process."""
    folder.mkdir(parents=True, exist_ok=True)
    app = create_app(bootstrap_servers, work, log, watch, group=group, folder=folder)
    watch.follow(log, group, threading.Event())
    gc.freeze()
    gc.set_threshold(_COLLECTED_EVERY)
    faust.Worker(app, loglevel="WARNING", quiet=True, redirect_stdouts=False).execute_from_commandline()


def create_app(
    bootstrap_servers: str, work: Work[Any], log: Log, watch: Watch[Any], *, group: str, folder: Path
) -> Any:
    """The app with its one agent. Every option that matters is spelled here, so that no variable of Faust's own changes it."""
    app: Any = faust.App(
        group,
        broker=[f"kafka://{server.strip()}" for server in bootstrap_servers.split(",")],
        store="memory://",
        datadir=str(folder / "faust"),
        key_serializer="raw",
        value_serializer="raw",
        processing_guarantee="at_least_once",
        consumer_auto_offset_reset="earliest",  # what is gone is noticed by ``Live``
        consumer_max_fetch_size=_FETCH_BYTES,
        broker_max_poll_records=_POLL_RECORDS,
        broker_check_crcs=True,
        broker_session_timeout=10.0,  # a killed worker's partitions are taken over after this
        broker_heartbeat_interval=3.0,
        broker_rebalance_timeout=30.0,
        broker_max_poll_interval=3_600.0,  # nothing is fetched while a worker remembers
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
    app.work, app.log_port, app.watch = work, log, watch
    app.assignments, app.is_ready, app.remembering = 0, False, None
    app.durable = {}  # offsets up to which all is durable, and which are not committed
    app.writer = ThreadPoolExecutor(1)
    topic = app.topic(work.topic, schema=_AsFetched(key_type=bytes, value_type=bytes), acks=False)

    @app.agent(topic, concurrency=1)  # type: ignore[untyped-decorator]
    async def take(stream: Any) -> None:
        chunks: AsyncIterator[Any] = stream.noack().events()
        async for event in chunks:
            generation, records = event.message.value
            partition = event.message.partition
            try:
                if generation == work.generation and partition in work.owned():
                    work.take(partition, records)
                    watch.chunk(len(records.offsets))
            except Exception as error:  # noqa: BLE001  # Faust would go on without the chunk (traps A.2)
                end(error)
            await asyncio.sleep(0)

    return app


def _chunks(fetched: list[Any]) -> Iterator[Records]:
    """What was fetched of a partition, cut where it is too much for once, and behind what could not be read."""
    begin = 0
    cuts = [place + 1 for place, one in enumerate(fetched) if type(one) is _Unread]
    for end in [*cuts, len(fetched)]:
        for at in range(begin, end, _CHUNK_RECORDS):
            yield _records(fetched[at : min(at + _CHUNK_RECORDS, end)])
        begin = end


def _records(fetched: list[Any]) -> Records:
    unread_to = 0
    if type(fetched[-1]) is _Unread:
        unread_to = fetched[-1].offset + 1
        fetched = fetched[:-1]
    return Records(
        [one.offset for one in fetched],
        [one.timestamp for one in fetched],
        [one.key or b"" for one in fetched],
        [one.value or b"" for one in fetched],
        unread_to,
    )


def _message(tp: TP, chunk: tuple[int, Records], generation: int) -> Any:
    """A chunk as one message; Faust passes by what is not of its own ``generation``."""
    records = chunk[1]
    return ConsumerMessage(
        tp.topic,
        tp.partition,
        records.unread_to - 1 if records.unread_to else records.offsets[-1],
        records.times_ms[0] / 1000 if records.times_ms else 0.0,
        0,
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
    _log.critical("the worker ends, nothing is lost: %s", error, exc_info=error)
    os._exit(1)
