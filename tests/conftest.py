"""What all tests share."""

from collections.abc import Iterator

import pytest

from tests.brokers import broker_unavailable_reason, start_broker, stop_broker


def pytest_configure(config: pytest.Config) -> None:
    """Let kafka-python be imported: on Python 3.11 it calls importlib.resources by an old name."""
    config.addinivalue_line("filterwarnings", "ignore:(read|open)_text is deprecated:DeprecationWarning")


@pytest.fixture(scope="session")
def kafka_bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of one Kafka broker, which all tests of the session share; its topics are not created yet."""
    reason = broker_unavailable_reason()
    if reason is not None:
        pytest.skip(reason)
    bootstrap, process = start_broker(tmp_path_factory.mktemp("kafka"))
    yield bootstrap
    stop_broker(process)
