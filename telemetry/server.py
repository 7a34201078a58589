"""A small door for scrapers and probes: the numbers of this process and its health, over HTTP.

``GET /metrics``, ``/health/live`` (also ``/healthz``), ``/health/ready``, ``/health/startup``; there is no other route, and nothing is
read but the request's first line and headers. A probe answers 200, degraded or not, and 503 where it is unhealthy. Who may ask is not checked: it
listens on this machine alone unless told otherwise.

Everything is bounded: so many requests at once, each for so long; whoever comes in excess is hung up on.
"""

import logging
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from types import TracebackType
from typing import Self

import msgspec

from telemetry.health import Health, Report
from telemetry.metrics import Metrics

REQUESTS_MAX = 8
REQUEST_S_MAX = 5.0
_JSON = "application/json"

_log = logging.getLogger(__name__)

_Answer = tuple[int, bytes, str]
_Route = Callable[[str], _Answer]  # given the Accept header


class Server:
    """Answers in threads of its own, from ``start`` (or entering it) until ``close`` (or leaving it)."""

    def __init__(
        self,
        metrics: Metrics,
        health: Health,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        request_s_max: float = REQUEST_S_MAX,
    ) -> None:
        """Take the port (0: any that is free). Raises OSError where it is taken."""
        routes: dict[str, _Route] = {
            "/metrics": lambda accept: (200, *metrics.render(accept)),
            "/health/live": lambda _: _told(health.live()),
            "/health/ready": lambda _: _told(health.ready()),
            "/health/startup": lambda _: _told(health.startup()),
        }
        routes["/healthz"] = routes["/health/live"]
        handler = type("Handler", (_Handler,), {"routes": routes, "request_s_max": request_s_max})
        self._server = _Bounded((host, port), handler)
        self._thread = threading.Thread(target=self._serve, name="telemetry", daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def close(self) -> None:
        """Let go of the port, once what is being answered is answered."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _serve(self) -> None:
        self._server.serve_forever(poll_interval=0.1)


class _Bounded(ThreadingTCPServer):
    """So many requests at once; their threads are waited for at the end."""

    allow_reuse_address = True
    request_queue_size = REQUESTS_MAX

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._places = threading.BoundedSemaphore(REQUESTS_MAX)
        super().__init__(address, handler)

    def process_request(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever hung up is not our error. What is ours is logged, and the one who asked is hung up on."""
        if not isinstance(sys.exception(), OSError):
            _log.exception("a request was not answered")


class _Handler(BaseHTTPRequestHandler):
    """One request, one answer, and the connection ends."""

    routes: dict[str, _Route]
    request_s_max: float
    server_version, sys_version = "kymograph", ""

    def setup(self) -> None:
        super().setup()
        # A deadline for the whole request: a timeout of the socket would begin again with every byte.
        self._deadline = threading.Timer(self.request_s_max, self._hang_up)
        self._deadline.daemon = True
        self._deadline.start()

    def finish(self) -> None:
        self._deadline.cancel()
        super().finish()

    def do_GET(self) -> None:
        """Answer, or say what there is."""
        route = self.routes.get(self.path.partition("?")[0])
        if route is None:
            self._send(404, msgspec.json.encode({"error": "no such route", "routes": [*self.routes]}), _JSON)
        else:
            self._send(*route(self.headers.get("Accept", "")))

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  # the library's name
        """A probe a second is no news."""

    def _hang_up(self) -> None:
        with suppress(OSError):  # the other side was faster
            self.connection.shutdown(socket.SHUT_RDWR)

    def _send(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)


def _told(report: Report) -> _Answer:
    return (503 if report.status == "unhealthy" else 200), msgspec.json.encode(report), _JSON
