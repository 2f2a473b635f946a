"""Keeps Python's garbage collector away from what has been loaded to stay.

A full collection visits every object with Python's global lock held, and a lexicon has hundreds of thousands.
"""

from __future__ import annotations

import gc


def settle() -> None:
    """Collects what is left of the past, and leaves what is there now out of the collections to come."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
