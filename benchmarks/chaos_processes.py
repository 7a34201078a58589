"""The processes of a chaos run: brokers that keep their ports, and workers that are followed by others when they end.

Each is signalled and ended by its own pid.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from kafka import KafkaAdminClient

from agents.live import GROUP
from benchmarks.chaos_judge import MAPPING
from tests.brokers import Broker, brokers
from tests.processes import KYMOGRAPH


class Brokers:
    """One broker, or a cluster of three; what is written is held by so many ``copies``."""

    def __init__(self, folder: Path, count: int) -> None:
        """None is started yet."""
        self.all = brokers(folder, count)
        self.copies = min(3, count)
        self.bootstrap = ",".join(broker.address for broker in self.all)

    def __enter__(self) -> Self:
        """Start them; return when all answer."""
        try:
            for broker in self.all:
                broker.launch()
            for broker in self.all:
                broker.wait()
        except BaseException:
            self.__exit__()
            raise
        self._admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        return self

    def __exit__(self, *_: object) -> None:
        """Away with them; their folders go too."""
        for broker in self.all:
            broker.kill()

    def controller(self) -> Broker:
        """The one that the others follow in what concerns the cluster."""
        with KafkaAdminClient(bootstrap_servers=self.bootstrap.split(",")) as admin:
            node: int = admin.describe_metadata_quorum()["topics"][0]["partitions"][0]["leader_id"]
        return self.all[node - 1]

    def coordinator(self) -> Broker:
        """The one that keeps the workers' group and its offsets."""
        # A client keeps to the coordinator that it once found, and asks it for minutes where it is another by now.
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        node: int = admin.describe_consumer_groups([GROUP], request_timeout=5)[GROUP].result().coordinator.id
        return self.all[node - 1]

    def is_whole(self) -> bool:
        """Whether every partition has a leader, and all its copies in sync."""
        try:
            topics = self._admin.list_topics(timeout=5).topics.values()
        except KafkaException:
            return False
        places = [place for topic in topics for place in topic.partitions.values()]
        return all(place.leader >= 0 and len(place.isrs) == self.copies for place in places)


class Workers:
    """So many workers; one that ends is followed by another, as a supervisor would have it."""

    def __init__(self, cluster: Brokers, folder: Path, count: int, without: str | None) -> None:
        """None is started yet."""
        self._folder, self._count = folder, count
        settings = {"LOG": "kafka", "KAFKA_BOOTSTRAP_SERVERS": cluster.bootstrap, "MAPPING": MAPPING}
        settings["KAFKA_REPLICATION_FACTOR"] = str(cluster.copies)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("KYMOGRAPH__")}
        self._environment = inherited | {f"KYMOGRAPH__{name}": value for name, value in settings.items()}
        self._command = [str(KYMOGRAPH)]
        if without is not None:
            self._environment["CHAOS_WITHOUT"] = without
            self._command = [sys.executable, "-m", "benchmarks.chaos_worker"]
        self._started = 0
        self.alive: list[subprocess.Popen[bytes]] = []
        self.ended = 0

    def __enter__(self) -> Self:
        """Start them."""
        self.watch()
        return self

    def __exit__(self, *_: object) -> None:
        """End them, by their own pids."""
        for worker in self.alive:
            worker.send_signal(signal.SIGCONT)
            worker.kill()
        for worker in self.alive:
            worker.wait()

    def start(self) -> subprocess.Popen[bytes]:
        """One more."""
        self._started += 1
        data = self._folder / f"worker-{self._started}"
        with (self._folder / f"worker-{self._started}.log").open("wb") as said:
            worker = subprocess.Popen(
                [*self._command, "worker", "--data", str(data)],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
            )
        self.alive.append(worker)
        return worker

    def kill(self, worker: subprocess.Popen[bytes]) -> None:
        """kill -9; it is not counted among those that ended by themselves."""
        worker.kill()
        worker.wait()
        self.alive.remove(worker)

    def watch(self) -> None:
        """Start others for those that ended."""
        gone = [worker for worker in self.alive if worker.poll() is not None]
        self.ended += len(gone)
        self.alive = [worker for worker in self.alive if worker not in gone]
        while len(self.alive) < self._count:
            self.start()

    def watch_until(self, is_done: Callable[[], bool], *, seconds_max: float) -> None:
        """Watch over them so long."""
        until = time.monotonic() + seconds_max
        while not is_done() and time.monotonic() < until:
            self.watch()
            time.sleep(0.5)
