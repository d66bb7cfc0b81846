"""A network between agent and camera that can be cut, fall silent and lose packets."""

from __future__ import annotations

import random
import re
import select
import socket
import threading
import time
from contextlib import suppress
from enum import Enum


class Network(Enum):
    """How the network is."""

    GOOD = "good"
    CUT = "cut"
    """Connections are reset, new ones refused."""
    SILENT = "silent"
    """Connections stay open and carry nothing, new ones too; as when a cable is pulled behind a switch."""


class Relay:
    """Passes TCP on to ``port`` of this machine, and the RTP that RTSP sets up over UDP, of which it loses ``loss``.

    What stood while the network was silent is reset when it is good again, as by a router that was restarted.
    """

    def __init__(self, port: int, *, loss: float = 0.0, seed: int = 7) -> None:
        self._target = ("127.0.0.1", port)
        self._loss = loss
        self._random = random.Random(seed)
        self._network = Network.GOOD
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._closed = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.datagrams = self.lost = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def turn(self, network: Network) -> None:
        """Let the network be so from now on."""
        with self._lock:
            self._network = network
            stopped, self._open = self._open, set()
        if network is Network.CUT:
            for each in stopped:
                _reset(each)

    def close(self) -> None:
        """Stop."""
        self._closed = True
        self._listener.close()
        self.turn(Network.CUT)

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._network is Network.CUT:
                _reset(client)
                continue
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with self._lock:
            self._open.add(client)
            silent = self._network is Network.SILENT
        if silent:
            while not self._closed and self._network is Network.SILENT:
                time.sleep(0.1)
            _reset(client)
            return
        try:
            server = socket.create_connection(self._target, 5)
        except OSError:
            _reset(client)
            return
        rtp = _Rtp(self) if self._loss else None
        with server, suppress(OSError):  # either side has gone: that is what networks do
            self._pass_on(client, server, rtp)
        while not self._closed and self._network is Network.SILENT:  # half open: the agent is not told
            time.sleep(0.1)
        client.close()

    def _is_open(self, client: socket.socket) -> bool:
        with self._lock:
            return client in self._open

    def _pass_on(self, client: socket.socket, server: socket.socket, rtp: _Rtp | None) -> None:
        while self._is_open(client):
            for ready in select.select([client, server], [], [], 0.1)[0]:
                data = ready.recv(65536)
                if not data:
                    return
                if ready is client:
                    server.sendall(rtp.asked(data) if rtp else data)
                else:
                    client.sendall(rtp.answered(data) if rtp else data)

    def loses(self) -> bool:
        """True for a datagram that gets lost."""
        with self._lock:
            self.datagrams += 1
            lost = self._random.random() < self._loss
            self.lost += lost
            return lost


class _Rtp:
    """Stands between the ports of one client: the camera sends to it, and it sends on what is not lost."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._ports: tuple[int, int] | None = None
        self._sockets: list[socket.socket] = []

    def asked(self, data: bytes) -> bytes:
        """A request with the client's ports replaced."""
        found = re.search(rb"client_port=(\d+)-(\d+)", data)
        if found is None:
            return data
        self._ports = int(found[1]), int(found[2])
        self._sockets = _pair()
        for own, theirs in zip(self._sockets, self._ports, strict=True):
            threading.Thread(target=self._forward, args=(own, theirs), daemon=True).start()
        own_ports = b"client_port=%d-%d" % tuple(each.getsockname()[1] for each in self._sockets)
        return data.replace(found[0], own_ports)

    def answered(self, data: bytes) -> bytes:
        """An answer with the client's ports as it knows them."""
        if self._ports is None:
            return data
        return re.sub(rb"client_port=\d+-\d+", b"client_port=%d-%d" % self._ports, data)

    def _forward(self, own: socket.socket, to: int) -> None:
        with own:
            own.settimeout(30)
            try:
                while True:
                    data, _ = own.recvfrom(65536)
                    if not self._relay.loses():
                        own.sendto(data, ("127.0.0.1", to))
            except OSError:
                return


def _pair() -> list[socket.socket]:
    """Two neighbouring UDP ports, the first even (RFC 3550, section 11)."""
    while True:
        first = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        second = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        first.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        first.bind(("127.0.0.1", 0))
        port = first.getsockname()[1]
        try:
            if port % 2 == 0:
                second.bind(("127.0.0.1", port + 1))
                return [first, second]
        except OSError:
            pass  # the neighbour is taken
        first.close()
        second.close()


def _reset(connection: socket.socket) -> None:
    with suppress(OSError):  # it may be closed already
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    connection.close()
