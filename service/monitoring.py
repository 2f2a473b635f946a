"""The HTTP port for those who watch the server: /metrics, /healthz, /readyz. What they tell is service/app.py's."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

_READ_S = 5.0
"""A request that does not come in this time is given up."""


class Monitoring:
    """Listens from the beginning until `close`; each request has a thread."""

    def __init__(
        self,
        host: str,
        port: int,
        registry: CollectorRegistry,
        *,
        is_alive: Callable[[], bool],
        is_ready: Callable[[], bool],
    ) -> None:
        """is_alive: whether the process does its work; if not, end it. is_ready: whether callers may come."""
        checks = {"/healthz": is_alive, "/readyz": is_ready}
        metrics = make_wsgi_app(registry)

        def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            path = environ["PATH_INFO"]
            if path == "/metrics":
                return metrics(environ, start_response)  # type: ignore[no-any-return]
            if path not in checks:
                start_response("404 Not Found", _PLAIN)
                return [b"there are /metrics, /healthz and /readyz\n"]
            good = checks[path]()
            start_response("200 OK" if good else "503 Service Unavailable", _PLAIN)
            return [b"ok\n" if good else b"no\n"]

        self._server = make_server(host, port, answer, _Server, _Request)
        self._thread = threading.Thread(target=self._server.serve_forever, name="hearken-monitoring", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._server.server_port

    def close(self) -> None:
        """Stops listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


_PLAIN = [("Content-Type", "text/plain; charset=utf-8")]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A visitor who goes away in the middle is no event."""


class _Request(WSGIRequestHandler):
    timeout = _READ_S

    def log_message(self, format: str, *args: Any) -> None:
        """Scrapes are no events."""
