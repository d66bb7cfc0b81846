"""What the agent tells the service manager that started it (systemd): ready, alive, stopping, and how it goes.

The protocol is that of sd_notify(3): datagrams of ``NAME=value`` lines to the socket that ``NOTIFY_SOCKET`` names.
Without one, as when started by hand, nothing is told.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

import structlog

_SEND_S = 1.0
"""Longest that a message may take: a manager that does not read must not hold the agent up."""
_log = structlog.get_logger("service")


class ServiceManager:
    """Tells ``address`` (a path, or ``@name`` in the abstract namespace; None: nobody).

    ``watchdog_s`` is how long the manager waits for ``feed`` before it kills the process; None if it does not.
    """

    def __init__(self, address: str | None = None, watchdog_s: float | None = None) -> None:
        self.watchdog_s = watchdog_s
        self._address = address
        self._reached = True

    @staticmethod
    def of(environment: Mapping[str, str], pid: int) -> ServiceManager:
        """The manager that an environment names to the process ``pid``."""
        usec, whose = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", str(pid))
        watched = usec.isdigit() and int(usec) > 0 and whose == str(pid)
        return ServiceManager(environment.get("NOTIFY_SOCKET") or None, int(usec) / 1e6 if watched else None)

    def ready(self, how: str) -> None:
        """The agent is at work, also after ``reloading``."""
        self._tell("READY=1", f"STATUS={how}")

    def say(self, how: str) -> None:
        """One line for ``systemctl status``."""
        self._tell(f"STATUS={how}")

    def feed(self, how: str) -> None:
        """Everything that the agent is for makes progress."""
        self._tell("WATCHDOG=1", f"STATUS={how}")

    def reloading(self) -> None:
        """The configuration is read anew."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, why: str) -> None:
        """The agent ends."""
        self._tell("STOPPING=1", f"STATUS={why}")

    def extend(self, seconds: float) -> None:
        """Stopping may take so long from now."""
        self._tell(f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}")

    def _tell(self, *lines: str) -> None:
        if self._address is None:
            return
        target = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        message = "\n".join(line.replace("\n", " ") for line in lines)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.settimeout(_SEND_S)
                sender.sendto(message.encode(), target)
        except OSError as error:
            if self._reached:
                _log.warning("service_manager_not_reached", error=error.strerror or str(error))
            self._reached = False
        else:
            self._reached = True


def service_manager() -> ServiceManager:
    """The one that started this process."""
    return ServiceManager.of(os.environ, os.getpid())
