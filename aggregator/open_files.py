"""How many connections this process can hold: each is an open file, and the store needs some, too."""

from __future__ import annotations

import resource

import structlog

log = structlog.get_logger(__name__)

RESERVED = 512
"""For the enrolment port's 256 connections, the store, pictures and scrapes: a flood must not take a commit's file."""


def connections_within(wanted: int) -> int:
    """Raise the soft limit of open files as far as needed and allowed; how many connections fit, ``wanted`` at most."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + RESERVED
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    fit = max(1, soft - RESERVED)
    log.warning("fewer connections are taken than limits.max_connections", connections=fit, open_files=soft)
    return fit
