"""Few shapes instead of ever new ones. Imports nothing that computes, as a part of it must come before torch.

On a CPU oneDNN compiles every operation anew for each shape that it meets, and keeps what it has compiled: 5 ms and
2 MB for each number of streams in a batch, as much for each length of an utterance.
"""

from __future__ import annotations

import os

_LEADING_BITS = 4


def rounded_up(count: int) -> int:
    """The next number whose binary digits after the first four are zeros: at most an eighth more, and none up to 16."""
    unit = 1 << max(0, (count - 1).bit_length() - _LEADING_BITS)
    return -(-count // unit) * unit


def limit_caches() -> None:
    """Lets torch keep compiled operations once. Call it before torch is imported for the first time.

    Otherwise each thread keeps those that it used last in a cache of its own, in front of oneDNN's, which has them all.
    Finding them there costs nothing that can be measured.
    """
    os.environ.setdefault("LRU_CACHE_CAPACITY", "1")
