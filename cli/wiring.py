"""Settings to parts: the only place that chooses implementations."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agents.breaker import Breaker, Limits
from agents.event_logger import EventLogger
from agents.inbox import GROUP as DOOR
from agents.inbox import Inbox, InboxReader
from agents.live import Live
from agents.local import LocalWorker, RowTable
from agents.metric_extractor import MetricExtractor
from agents.partition import Scorer
from agents.places import Places
from agents.replayer import Replayer
from agents.scoring import Scoring
from agents.trait_inferencer import TraitInferencer
from cli.settings import Settings
from projections import migrate
from projections.clickhouse import ClickHouseStore
from projections.projector import GROUP, Projected, Projector
from science.mapping import load
from streams.codec import Codec
from streams.columns import ColumnDecoder
from streams.log import Log, LogUnavailable
from streams.sqlite import SqliteLog
from streams.topics import INBOX
from telemetry.health import Health
from telemetry.metrics import Metrics


class House:
    """The parts of one process, each made when it is first asked for."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is opened yet."""
        self.settings = settings
        self.codec = Codec()
        self._log: Log | None = None
        self._store: ClickHouseStore | None = None
        self._rows: RowTable | None = None
        self._inbox: Inbox | None = None

    @property
    def is_embedded(self) -> bool:
        """Whether this process scores by itself: on the embedded log there is no other worker."""
        return self.settings.log == "sqlite"

    @property
    def log(self) -> Log:
        """The log. Raises LogUnavailable."""
        if self._log is None:
            if self.is_embedded:
                self._log = SqliteLog(self._folder() / "log.sqlite")
            else:
                from streams.kafka import KafkaLog  # noqa: PLC0415  # librdkafka is not loaded for the embedded log

                self._log = KafkaLog(
                    self.settings.kafka_bootstrap_servers, timeout_s=self.settings.kafka_timeout_s
                )
        return self._log

    @property
    def store(self) -> ClickHouseStore:
        """The projection. Raises StoreUnavailable, StoreInUse. The embedded one brings its tables with it."""
        if self._store is None:
            if self.settings.clickhouse_dsn is not None:
                self._store = ClickHouseStore.server(self.settings.clickhouse_dsn)
            else:
                self._store = ClickHouseStore.embedded(self._folder() / "clickhouse")
                migrate.up(self._store)
        return self._store

    def inferencer(self, mapping: str | None = None) -> TraitInferencer:
        """By the mapping named, or by the settings' one. Raises UnknownMapping."""
        return TraitInferencer(load(mapping or self.settings.mapping))

    def scoring(self) -> Scoring:
        """The agents over one record."""
        return Scoring(self.codec, [self.inferencer()])

    def live(self) -> Live:
        """The agents over the partitions of a worker."""
        extractor = MetricExtractor(self.codec)
        return Live(self.log, Scorer(self.codec, ColumnDecoder(), extractor, [self.inferencer()]))

    def logger(self, metrics: Metrics | None = None) -> EventLogger:
        """The door."""
        control_url = self.settings.control_url or f"sqlite:///{self._folder() / 'control.sqlite'}"
        return EventLogger(self.log, control_url=control_url, codec=self.codec, metrics=metrics)

    def inbox(self, metrics: Metrics | None = None) -> Inbox:
        """What decides about what direct producers send; made once, because its breaker remembers."""
        settings = self.settings
        limits = Limits(
            consecutive=settings.inbox_dead_letters_max_consecutive,
            ratio=settings.inbox_dead_letters_max_ratio,
            window=settings.inbox_dead_letters_window,
        )
        if self._inbox is None:
            door = self.logger(metrics)
            marks = Places(door.control, DOOR, INBOX.name, log=settings.log)
            self._inbox = Inbox(door, self.codec, Breaker(limits, marks))
        return self._inbox

    def replayer(self, mapping: str | None = None) -> Replayer:
        """Rebuilds from the log."""
        return Replayer(self.log, self.codec, self.inferencer(mapping))

    def projector(self, metrics: Metrics | None = None, health: Health | None = None) -> Projector:
        """Log to store. Its progress is that of these very tables: new ones begin at the log's beginning."""
        group = f"{GROUP}-{migrate.identity(self.store)}"
        return Projector(self.log, self.store, self.codec, group=group, metrics=metrics, health=health)

    def catch_up(self) -> tuple[Counter[str], dict[str, Projected]]:
        """On the embedded log: score and project what is new; the outcomes of the records, and what was projected."""
        assert self.store is not None  # the folder is ours before anything is scored
        if not self.is_embedded:
            return Counter(), {}
        InboxReader(self.log, self.inbox()).catch_up()
        path = self._folder() / "rows.sqlite"
        try:
            if self._rows is None:
                self._rows = RowTable(path)
            outcomes = LocalWorker(self.log, self._rows, self.scoring()).catch_up()
        except sqlite3.Error as error:
            message = f"{path}: {error}: see to the disk, or delete the file: it is a cache and made again from the log"
            raise LogUnavailable(message) from error
        return outcomes, self.projector().catch_up()

    def close(self) -> None:
        """Let go of everything."""
        for part in (self._rows, self._store, self._log):
            if part is not None:
                part.close()

    def _folder(self) -> Path:
        folder = self.settings.data_dir
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # keys and people's data: the owner's alone
        except OSError as error:
            raise LogUnavailable(
                f"the data folder {folder} cannot be made ({error}): name another with --data"
            ) from error
        return folder


@contextmanager
def house(settings: Settings) -> Iterator[House]:
    """The parts, closed in the end."""
    parts = House(settings)
    try:
        yield parts
    finally:
        parts.close()
