"""Workers that are actors of a Ray cluster. Recordings and the model are files that all nodes see under the same path.

Only the command writes transcripts, so a recording that two nodes have worked on still has one.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayActorError, RayTaskError

from service.bulk.crew import Lost
from service.bulk.worker import ModelWorker, Outcome, Transcribe
from service.errors import StartError

log = logging.getLogger(__name__)


class RayActors:
    """See Crew. A node that dies takes its actors along; new ones begin where there is room, when there is room."""

    def __init__(self, worker: ModelWorker, address: str, count: int | None) -> None:
        """count: of actors; None: one a GPU if the device is one, otherwise one a CPU. Raises StartError."""
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise StartError(f"there is no Ray cluster at {address}: {error}") from error
        resource = "GPU" if worker.device.startswith("cuda") else "CPU"
        found = int(ray.cluster_resources().get(resource, 0))
        if not count and not found:
            raise StartError(f"the Ray cluster has no {resource}; add nodes, or say how many workers with --workers")
        self._worker = worker
        needs = {"num_cpus": 0, "num_gpus": 1} if resource == "GPU" else {"num_cpus": 1}
        self._actor = ray.remote(_Actor).options(**needs, max_restarts=0)
        self._idle: list[Any] = []
        self._starting: dict[Any, Any] = {}
        self._working: dict[Any, tuple[Any, Path]] = {}
        for _ in range(count or found):
            self._add_actor()

    @property
    def idle(self) -> int:
        """See Crew."""
        return len(self._idle)

    @property
    def busy(self) -> int:
        """See Crew."""
        return len(self._working)

    def give(self, recording: Path) -> None:
        """See Crew."""
        actor = self._idle.pop()
        self._working[actor.transcribe.remote(recording)] = actor, recording

    def wait(self) -> Sequence[Outcome | Lost]:
        """See Crew."""
        (answer,), _ = ray.wait([*self._working, *self._starting], num_returns=1)
        if answer in self._starting:
            self._begin(answer)
            return []
        actor, recording = self._working.pop(answer)
        try:
            outcome: Outcome = ray.get(answer)
        except RayActorError:
            self._add_actor()
            return [Lost(recording, "its Ray actor or node died")]
        self._idle.append(actor)
        return [outcome]

    def close(self) -> None:
        """See Crew. The cluster stays."""
        ray.shutdown()

    def _add_actor(self) -> None:
        actor = self._actor.remote(self._worker)
        self._starting[actor.load.remote()] = actor

    def _begin(self, answer: Any) -> None:
        actor = self._starting.pop(answer)
        try:
            ray.get(answer)
        except RayActorError:
            log.warning("a Ray actor died while it loaded the model; another one begins")
            self._add_actor()
        except RayTaskError as error:
            raise StartError(f"a Ray actor could not load the model: {error.cause}") from error
        else:
            self._idle.append(actor)


class _Actor:
    """Runs on a node of the cluster."""

    def __init__(self, worker: ModelWorker) -> None:
        self._worker = worker
        self._transcribe: Transcribe | None = None

    def load(self) -> None:
        self._transcribe = self._worker.open()

    def transcribe(self, recording: Path) -> Outcome:
        assert self._transcribe is not None
        return self._transcribe(recording)
