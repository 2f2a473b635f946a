"""Recordings as fast as they go: through the service, and through the bare model and decoder in the same run.

The bare way computes whole utterances in padded batches in one thread while processes search the beam; it has no
endpoints, no streams, no network.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import torch
from server import running_server
from torch.nn.utils.rnn import pad_sequence

from hearken import AsyncClient
from models.decoding.pool import DecoderPool
from models.features import LogMel
from models.package import find_package, open_package
from models.recognizer import load_model

_RATE_HZ = 16_000
_FILES_AT_A_TIME = 16
_BATCH = 8
_DECODERS = 2

Audio = npt.NDArray[np.int16]


@dataclass(frozen=True)
class Throughput:
    """Seconds of audio in a second."""

    service: float
    bare: float

    @property
    def ratio(self) -> float:
        """Of the service to the bare model and decoder."""
        return self.service / self.bare


def throughput(files: Sequence[Path], *, device: str, model: str) -> Throughput:
    """Both ways, one after the other, with the same recordings (16 kHz, mono)."""
    recordings = [soundfile.read(path, dtype="int16")[0] for path in files]
    seconds = sum(len(audio) for audio in recordings) / _RATE_HZ
    with running_server(device, model, CPU_SHARE="100", MAX_WAIT_SHARE="100") as server:
        service_s = asyncio.run(_through_service(server.address, files))
    return Throughput(seconds / service_s, seconds / _through_model(recordings, device, model))


async def _through_service(address: str, files: Sequence[Path]) -> float:
    places = asyncio.Semaphore(_FILES_AT_A_TIME)

    async def recognize(client: AsyncClient, file: Path) -> None:
        async with places:
            await client.transcribe(file)

    async with AsyncClient(address) as client:
        began_s = time.monotonic()
        await asyncio.gather(*(recognize(client, file) for file in files))
        return time.monotonic() - began_s


@torch.inference_mode()
def _through_model(recordings: list[Audio], device: str, model: str) -> float:
    torch.set_num_threads(1)
    package = open_package(find_package(model))
    where = torch.device(device)
    acoustic, log_mel = load_model(package, where), LogMel(package.config.features)
    pool = DecoderPool(package.folder, _DECODERS)
    pool.decode(torch.zeros(8, 1 + len(package.config.phones)).log_softmax(-1))  # loads
    try:
        with ThreadPoolExecutor(2 * _BATCH) as threads:
            began_s, searches = time.monotonic(), []
            ordered = sorted(recordings, key=len)
            for at in range(0, len(ordered), _BATCH):
                frames = [log_mel(torch.from_numpy(a.astype(np.float32) / 32768)) for a in ordered[at : at + _BATCH]]
                lengths = torch.tensor([len(own) for own in frames])
                found = acoustic(pad_sequence(frames, batch_first=True).to(where), lengths.to(where))
                outputs = zip(found.phones.cpu(), found.lengths.tolist(), strict=True)
                searches += [threads.submit(pool.decode, own[:length].contiguous()) for own, length in outputs]
            for search in searches:
                search.result()
            return time.monotonic() - began_s
    finally:
        pool.close()
