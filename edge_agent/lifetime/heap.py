"""How the process holds its memory."""

from __future__ import annotations

import ctypes

_M_ARENA_MAX, _M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD = -8, -3, -1
"""Of ``mallopt`` in glibc (malloc.h)."""
_ARENAS = 1
_LARGE_BYTES = 4 * 1024 * 1024
"""Pictures in colour, of 1080p and more, get pages of their own, which go back to the system with them."""
_KEPT_BYTES = 8 * 1024 * 1024
"""What stays at hand of what was freed last, for the next frame's smaller pictures."""


def keep_heap_small() -> bool:
    """Let all threads share one heap. False where the C library is not glibc, which needs no such word.

    glibc gives threads heaps of their own, and freed blocks of a picture's size stay in them: with two threads for each
    camera that is memory which is nobody's. One heap does for so few allocations a second. What is kept in it between
    frames saves new pages from the system, and what is large leaves no holes in it: with 24 cameras of 1080p a frame
    cost 5 % less than with a limit of half a megabyte, for 8 MiB in all; without a limit it was 70 MiB to 200 MiB more.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    wanted = ((_M_ARENA_MAX, _ARENAS), (_M_MMAP_THRESHOLD, _LARGE_BYTES), (_M_TRIM_THRESHOLD, _KEPT_BYTES))
    done = [bool(mallopt(name, value)) for name, value in wanted]
    return all(done)
