"""Serves what the agent says of itself: ``/metrics`` to Prometheus, ``/healthz`` and ``/status`` to everybody else."""

from __future__ import annotations

import errno
import json
import socket
import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import structlog
from prometheus_client import CollectorRegistry, disable_created_metrics, make_wsgi_app

from edge_agent.config_file import ConfigError
from edge_agent.health import brief, full
from edge_agent.metrics import AgentCollector
from edge_agent.status import AgentSnapshot

IDLE_S = 15.0
"""Longest that a client may take to send its request, or to take a piece of the answer."""

_log = structlog.get_logger("status")


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        _log.debug("client_went_away", exc_info=True)


class _ServerV6(_Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    timeout = IDLE_S

    def log_message(self, format: str, *args: Any) -> None:
        """A scrape every few seconds is no news."""


class StatusServer:
    """Serves on ``listen`` (host:port; port 0 takes a free one) until ``close``.

    Raises ``ConfigError`` if the address cannot be listened on.
    """

    def __init__(self, listen: str, snapshot: Callable[[], AgentSnapshot], *, per_camera: bool = True) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # as the library has it
        registry = CollectorRegistry()
        registry.register(AgentCollector(snapshot, per_camera=per_camera))
        self._metrics = make_wsgi_app(registry)
        self._snapshot = snapshot
        host, _, port = listen.rpartition(":")
        kind = _ServerV6 if host.startswith("[") else _Server
        try:
            self._server = make_server(host.strip("[]"), int(port), self._answer, kind, _Handler)
        except (OSError, OverflowError) as error:
            raise ConfigError([f"metrics.listen: {listen} {_why(error)}"]) from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="status-server", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._server.server_port)

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if environ.get("REQUEST_METHOD") not in ("GET", "HEAD"):
            return _say(start_response, "405 Method Not Allowed", "only GET is answered here\n", "text/plain")
        if path == "/metrics":
            answer: Iterable[bytes] = self._metrics(environ, start_response)
            return answer
        if path == "/healthz":
            said = brief(self._snapshot())
            return _say(start_response, "200 OK" if said["healthy"] else "503 Service Unavailable", _json(said))
        if path == "/status":
            return _say(start_response, "200 OK", _json(full(self._snapshot())))
        return _say(start_response, "404 Not Found", "/metrics, /healthz and /status are here\n", "text/plain")


def _json(said: dict[str, Any]) -> str:
    return json.dumps(said, indent=2, allow_nan=False) + "\n"


def _say(start_response: Callable[..., Any], status: str, text: str, kind: str = "application/json") -> Iterable[bytes]:
    body = text.encode()
    headers = [("Content-Type", f"{kind}; charset=utf-8"), ("Content-Length", str(len(body)))]
    start_response(status, [*headers, ("Cache-Control", "no-store")])
    return [body]


def _why(error: Exception) -> str:
    code = error.errno if isinstance(error, OSError) else None
    if code == errno.EADDRINUSE:
        return "is in use: stop what listens there or name another port (port 0 takes a free one)"
    if code in (errno.EACCES, errno.EPERM):
        return "may not be listened on by this user: name a port above 1023"
    if code == errno.EADDRNOTAVAIL:
        return "is no address of this machine: use 127.0.0.1 or 0.0.0.0"
    return f"cannot be listened on: {error}"
