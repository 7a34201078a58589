"""The door for scrapers and probes, asked over real connections."""

import http.client
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from telemetry.health import Health, Limits
from telemetry.metrics import WORKER_COMMITS, Metrics
from telemetry.server import REQUESTS_MAX, Server
from tests.agents.doors import HandClock

CLOCK = HandClock()


@pytest.fixture
def health() -> Health:
    """Just begun."""
    return Health(CLOCK, Limits(lag_records_max=10))


@pytest.fixture
def metrics() -> Metrics:
    """Nothing counted."""
    return Metrics()


@pytest.fixture
def server(metrics: Metrics, health: Health) -> Iterator[Server]:
    """On a free port."""
    with Server(metrics, health, request_s_max=1.0) as one:
        yield one


def ask(server: Server, path: str, method: str = "GET", **headers: str) -> tuple[int, str, bytes]:
    """Status, content type and body."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return response.status, response.headers.get("Content-Type", ""), response.read()
    finally:
        connection.close()


def test_a_scraper_gets_the_numbers_of_now(server: Server, metrics: Metrics) -> None:
    """In the form that it asks for."""
    metrics.add(WORKER_COMMITS, 4)
    status, content_type, body = ask(server, "/metrics")
    assert (status, content_type.split(";")[0]) == (200, "text/plain")
    assert b"\nkymograph_worker_commits_total 4.0\n" in body
    metrics.add(WORKER_COMMITS)
    _, content_type, body = ask(server, "/metrics?x=1", Accept="application/openmetrics-text;version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert b"\nkymograph_worker_commits_total 5.0\n" in body


def test_a_probe_gets_its_answer_and_each_check(server: Server, health: Health) -> None:
    """503 only where it is unhealthy; degraded is 200 with the flag."""
    assert [ask(server, f"/health/{probe}")[0] for probe in ("live", "startup", "ready")] == [200, 503, 503]
    health.note_assigned([1])
    health.note_recovered()
    health.note_contact()
    assert [ask(server, f"/health/{probe}")[0] for probe in ("live", "startup", "ready")] == [200, 200, 200]
    health.note_position({1: 0}, {1: 11})
    status, content_type, body = ask(server, "/health/ready")
    assert (status, content_type) == (200, "application/json")
    told = json.loads(body)
    assert told["status"] == "degraded"
    assert list(told["checks"]) == ["loop", "assigned", "recovered", "contact", "progress"]
    assert told["checks"]["progress"] == {
        "status": "degraded",
        "message": "11 records behind",
        "observed": 11,
        "limit": 10,
    }
    assert ask(server, "/healthz")[::2] == ask(server, "/health/live")[::2]


@pytest.mark.parametrize("path", ["/", "/metrics/", "/health", "/health/dead", "/../etc/passwd", "/METRICS"])
def test_there_is_no_other_route(server: Server, path: str) -> None:
    """It says what there is."""
    status, _, body = ask(server, path)
    assert status == 404
    assert json.loads(body)["routes"][:2] == ["/metrics", "/health/live"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "TRACE"])
def test_nothing_can_be_told_to_it(server: Server, method: str) -> None:
    """It is asked, and that is all."""
    assert ask(server, "/metrics", method)[0] == 501


def test_it_listens_on_this_machine_alone(server: Server) -> None:
    """Who asks is not checked, so nobody else may."""
    assert server._server.server_address[0] == "127.0.0.1"


def test_who_is_slow_is_hung_up_on_and_others_are_answered(server: Server) -> None:
    """A byte now and then does not hold a place beyond the deadline."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as slow:
        began = time.monotonic()
        slow.sendall(b"GET /metrics HT")
        assert ask(server, "/healthz")[0] == 200
        while True:
            try:
                slow.sendall(b"T")
                slow.settimeout(0.2)
                if slow.recv(100) == b"":
                    break
            except TimeoutError:
                assert time.monotonic() - began < 10
            except OSError:
                break
        assert time.monotonic() - began > 0.9
    assert ask(server, "/healthz")[0] == 200


def test_there_are_only_so_many_at_once(metrics: Metrics, health: Health) -> None:
    """The one in excess is hung up on; when a place is free again, it is answered."""
    with Server(metrics, health, request_s_max=5.0) as server:
        idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(REQUESTS_MAX)]
        _until(lambda: server._server._places._value == 0)
        with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
            ask(server, "/healthz")
        for one in idle:
            one.close()
        _until(lambda: server._server._places._value == REQUESTS_MAX)
        assert ask(server, "/healthz")[0] == 200


def test_it_closes_and_lets_go_of_its_port(metrics: Metrics, health: Health) -> None:
    """No thread and no port is left; one that never started closes too; a port that is taken is refused."""
    server = Server(metrics, health)
    server.start()
    port = server.port
    assert ask(server, "/healthz")[0] == 200
    with pytest.raises(OSError, match="in use"):
        Server(metrics, health, port=port)
    assert "telemetry" in {thread.name for thread in threading.enumerate()}
    server.close()
    with pytest.raises(ConnectionRefusedError):
        ask(server, "/healthz")
    assert "telemetry" not in {thread.name for thread in threading.enumerate()}
    again = Server(metrics, health, port=port)
    assert again.port == port
    again.close()


def test_a_fault_of_ours_is_logged_and_the_next_is_answered(
    server: Server, metrics: Metrics, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Not swallowed, and not the end of the door."""

    def broken(accept: str) -> tuple[bytes, str]:
        raise ValueError("broken")

    monkeypatch.setattr(metrics, "render", broken)
    with caplog.at_level(logging.ERROR), pytest.raises(http.client.RemoteDisconnected):
        ask(server, "/metrics")
    _until(lambda: "ValueError: broken" in caplog.text)
    assert ask(server, "/healthz")[0] == 200


def _until(holds: object) -> None:
    """Wait for what another thread does."""
    assert callable(holds)
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)
