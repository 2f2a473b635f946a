"""Keeps Python's garbage collector away from what has been loaded to stay.

A full collection visits every object with Python's global lock held, and a lexicon has hundreds of thousands.
"""

from __future__ import annotations

import gc


def settle() -> None:
    """Leaves what is there now out of the collections to come. For programs, not for libraries."""
    gc.collect()
    _freeze()


def collect() -> None:
    """A full collection, of what was left out as well; it is left out again."""
    is_settled = gc.get_freeze_count() > 0
    gc.unfreeze()
    gc.collect()
    if is_settled:
        _freeze()


def _freeze() -> None:
    gc.freeze()
    # Python puts full collections off by how many objects the last one kept: now few, no longer those that are frozen.
    gc.collect()
