"""A camera that speaks HTTP: motion JPEG at /motion, a still at /still, both with a password if it has one."""

from __future__ import annotations

import base64
import hashlib
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

REALM = "camera"
NONCE = "5f2b9c"


class HttpCamera:
    """Sends ``pictures`` in turn, ``fps`` a second, until closed. ``stalled`` keeps connections open and sends nothing.

    ``scheme`` is how it asks for its password: basic or digest (RFC 7616).
    """

    def __init__(
        self, pictures: list[bytes], *, fps: float = 10.0, user: str = "", password: str = "", scheme: str = "basic"
    ) -> None:
        self.pictures = pictures
        self.fps = fps
        self.user, self.password, self.scheme = user, password, scheme
        self.stalled = False
        self.length = True
        self.closed = threading.Event()
        self.asked: list[str] = []
        camera = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"

            def do_GET(self) -> None:
                camera.asked.append(self.path)
                camera._answer(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        """Without user and password."""
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Stop."""
        self.closed.set()
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        if self.password and not self._is_known(request.headers.get("Authorization", "")):
            request.send_response(401)
            asks = f'Basic realm="{REALM}"'
            if self.scheme == "digest":
                asks = f'Digest realm="{REALM}", nonce="{NONCE}", qop="auth", algorithm=MD5'
            request.send_header("WWW-Authenticate", asks)
            request.end_headers()
            return
        if request.path.startswith("/motion"):
            self._motion(request)
        elif request.path.startswith("/still"):
            self._wait_out_a_stall()
            picture = self.pictures[len(self.asked) % len(self.pictures)]
            request.send_response(200)
            request.send_header("Content-Type", "image/jpeg")
            request.send_header("Content-Length", str(len(picture)))
            request.end_headers()
            with suppress(OSError):  # whoever asked has gone
                request.wfile.write(picture)
        else:
            request.send_response(200)
            request.send_header("Content-Type", "text/html")
            request.end_headers()
            request.wfile.write(b"<h1>A camera</h1>")

    def _motion(self, request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", 'multipart/x-mixed-replace; boundary="frame"')
        request.end_headers()
        number = 0
        try:
            while not self.closed.is_set():
                self._wait_out_a_stall()
                picture = self.pictures[number % len(self.pictures)]
                length = f"Content-Length: {len(picture)}\r\n" if self.length else ""
                head = f"--frame\r\nContent-Type: image/jpeg\r\n{length}\r\n"
                request.wfile.write(head.encode() + picture + b"\r\n")
                number += 1
                time.sleep(1 / self.fps)
        except OSError:
            return  # whoever looked has gone

    def _wait_out_a_stall(self) -> None:
        while self.stalled and not self.closed.is_set():
            time.sleep(0.05)

    def _is_known(self, shown: str) -> bool:
        if self.scheme == "basic":
            return shown == "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        if not shown.startswith("Digest "):
            return False
        fields = {
            name.strip(): value.strip().strip('"')
            for name, _, value in (part.partition("=") for part in shown[7:].split(","))
        }
        first = _md5(f"{self.user}:{REALM}:{self.password}")
        second = _md5(f"GET:{fields.get('uri', '')}")
        wanted = _md5(f"{first}:{NONCE}:{fields.get('nc')}:{fields.get('cnonce')}:{fields.get('qop')}:{second}")
        return fields.get("response") == wanted


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
