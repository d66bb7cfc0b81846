"""How the process holds its memory."""

from __future__ import annotations

import ctypes

_M_ARENA_MAX, _M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD = -8, -3, -1
"""Of ``mallopt`` in glibc (malloc.h)."""
_ARENAS = 1
_LARGE_BYTES = 32 * 1024 * 1024
"""More than any picture has: glibc's own upper bound."""
_KEPT_BYTES = 8 * 1024 * 1024
"""What stays at hand of what was freed last: a picture of 1080p in colour and one without."""


def keep_heap_small() -> bool:
    """Let all threads share one heap. False where the C library is not glibc, which needs no such word.

    glibc gives threads heaps of their own, and freed blocks of a picture's size stay in them: with two threads for each
    camera that is memory which is nobody's. One heap does for so few allocations a second, and the next frame gets the
    pages of the last one: pages anew from the system for each picture would cost 2 ms of processor time for a frame of
    1080p. Measured with one and twelve cameras: 16.6 MiB for each added one; two heaps, and pages anew, 18.2.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    wanted = ((_M_ARENA_MAX, _ARENAS), (_M_MMAP_THRESHOLD, _LARGE_BYTES), (_M_TRIM_THRESHOLD, _KEPT_BYTES))
    done = [bool(mallopt(name, value)) for name, value in wanted]
    return all(done)
