"""Many recordings, few workers: each recording is given to one that has nothing to do, and again to another if it dies.

What a worker is, is left to processes.py and ray_actors.py; what it does with a recording to worker.py.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from service.bulk.worker import Failed, Outcome

log = logging.getLogger(__name__)

MOST_TRIES = 3
"""A recording whose worker has died so often is what kills them."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The worker died over this recording; nothing of it is left. how: for people."""

    recording: Path
    how: str


class Crew(Protocol):
    """Workers. One that dies is replaced by the crew, and its recording comes back as Lost."""

    @property
    def idle(self) -> int:
        """Workers that are ready and have nothing to do."""

    @property
    def busy(self) -> int:
        """Workers that have a recording."""

    def give(self, recording: Path) -> None:
        """Gives a recording to an idle worker."""

    def wait(self) -> Sequence[Outcome | Lost]:
        """Returns as soon as something has changed. Raises StartError if no worker can begin."""

    def close(self) -> None:
        """Ends the workers."""


def transcribe_all(recordings: Iterable[Path], crew: Crew) -> Iterator[Outcome]:
    """One outcome for each recording, as they come."""
    waiting = deque(recordings)
    tries: Counter[Path] = Counter()
    while waiting or crew.busy:
        while waiting and crew.idle:
            crew.give(waiting.popleft())
        for outcome in crew.wait():
            if not isinstance(outcome, Lost):
                yield outcome
                continue
            tries[outcome.recording] += 1
            if tries[outcome.recording] == MOST_TRIES:
                yield Failed(outcome.recording, f"{MOST_TRIES} workers died over it; the last: {outcome.how}")
            else:
                log.warning("%s: %s; another worker tries it", outcome.recording, outcome.how)
                waiting.append(outcome.recording)
