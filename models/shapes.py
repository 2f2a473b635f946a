"""Few shapes instead of ever new ones. Imports nothing that computes, as a part of it must come before torch.

On a CPU oneDNN compiles every operation anew for each shape that it meets, and keeps what it has compiled: about 10 ms
and 1.5 MB for each number of streams in a batch, as much for each length of an utterance.
"""

from __future__ import annotations

import os

_LEADING_BITS = 3
_MOST_OPERATIONS = 4096


def rounded_up(count: int) -> int:
    """The next number whose binary digits after the first three are zeros: at most a quarter more, and none up to 8."""
    unit = 1 << max(0, (count - 1).bit_length() - _LEADING_BITS)
    return -(-count // unit) * unit


def sizes(most: int) -> list[int]:
    """All that numbers from 1 to `most` are rounded up to."""
    return sorted({rounded_up(count) for count in range(1, most + 1)})


def keep_compiled() -> None:
    """Lets compiled operations be kept, all of them, once. Call it before torch is imported for the first time.

    Otherwise each thread of torch keeps those that it used last in a cache of its own, in front of oneDNN's. Finding
    them in oneDNN's costs nothing that can be measured. That has room for 1024, and a shape takes 11 to 14: what does
    not fit is compiled again and again.
    """
    os.environ.setdefault("LRU_CACHE_CAPACITY", "1")
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(_MOST_OPERATIONS))
