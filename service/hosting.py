"""The models that serve, and those that were replaced while streams still ran on them: each goes after its last one.

Loading them is left to service/app.py, who may use them to service/sessions.py.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from models.garbage import collect
from models.types import Result
from service.background import in_background
from service.engine import Recognizer, Stream
from service.errors import StartError
from service.lanes import Lanes
from service.metrics import Metrics

logger = logging.getLogger(__name__)

StreamT = TypeVar("StreamT", bound=Stream)


@dataclass(eq=False, slots=True)
class Hosted(Generic[StreamT]):
    """A model and the queues in front of it. streams: so many use it now."""

    recognizer: Recognizer[StreamT]
    lanes: Lanes[StreamT, Result]
    streams: int = 0

    def close(self) -> None:
        """Waits for the step that is being computed."""
        self.lanes.close()
        self.recognizer.close()


class Hosting(Generic[StreamT]):
    """Belongs to the event loop."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._serving: dict[str, Hosted[StreamT]] = {}
        self._leaving: set[Hosted[StreamT]] = set()
        self._closings: set[asyncio.Task[None]] = set()

    @property
    def recognizers(self) -> tuple[Recognizer[StreamT], ...]:
        """Those that serve, the default first."""
        return tuple(hosted.recognizer for hosted in self._serving.values())

    def replace(self, models: Sequence[Hosted[StreamT]]) -> None:
        """From now on these serve, the first as the default; those before stay for the streams that they have.

        Raises StartError when two have one name; then nothing has changed.
        """
        serving = {hosted.recognizer.name: hosted for hosted in models}
        if len(serving) < len(models):
            names = [hosted.recognizer.name for hosted in models]
            twice = next(name for name in names if names.count(name) > 1)
            raise StartError(f"two models are called {twice!r}; give one of them another name in its package")
        before, self._serving = self._serving, serving
        self._leaving.update(before.values())
        self._metrics.model_info.clear()
        for recognizer in self.recognizers:
            self._metrics.model_info.labels(recognizer.name, recognizer.card.language, recognizer.device).set(1)
        for hosted in before.values():
            self._close_if_unused(hosted)

    @contextmanager
    def use(self, name: str) -> Iterator[Hosted[StreamT]]:
        """The model of this name, or the default for an empty one; it stays as long as the `with` block lasts."""
        hosted = self._serving[name or next(iter(self._serving))]
        hosted.streams += 1
        try:
            yield hosted
        finally:
            hosted.streams -= 1
            self._close_if_unused(hosted)

    def device_memory_bytes(self) -> int:
        """Of all models on GPUs; they share what torch holds, so that the largest figure is the whole."""
        return max((hosted.recognizer.device_memory_bytes for hosted in self._serving.values()), default=0)

    async def close(self) -> None:
        """Lets go of all models."""
        self._leaving.update(self._serving.values())
        self._serving = {}
        for hosted in [*self._leaving]:
            self._close(hosted)
        await asyncio.gather(*self._closings)

    def _close_if_unused(self, hosted: Hosted[StreamT]) -> None:
        if hosted in self._leaving and not hosted.streams:
            self._close(hosted)

    def _close(self, hosted: Hosted[StreamT]) -> None:
        self._leaving.discard(hosted)
        closing = asyncio.create_task(self._closed(hosted))
        self._closings.add(closing)
        closing.add_done_callback(self._closings.discard)

    async def _closed(self, hosted: Hosted[StreamT]) -> None:
        name = hosted.recognizer.name
        await in_background(hosted.close)
        del hosted
        await in_background(collect)  # what refers to itself, such as the errors of a fault, holds weights
        logger.info("let go of model %s, whose last stream has ended", name)
