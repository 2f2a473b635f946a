"""Whole-utterance passes wait for each other, and nobody else waits for them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import pytest

from models.types import AudioFormat, Encoding, RecognitionOptions
from service.lanes import Lanes
from service.metrics import Metrics

pytestmark = pytest.mark.asyncio


async def test_a_long_final_pass_delays_no_chunk_and_goes_alone(fakes: ModuleType) -> None:
    passing, go_on = threading.Semaphore(0), threading.Event()
    together: list[int] = []

    def before_advance(streams: Sequence[Any]) -> None:
        if streams[0].is_ending:
            together.append(len(streams))
            passing.release()
            go_on.wait(10)

    recognizer = fakes.FakeRecognizer(before_advance)
    lanes = Lanes(recognizer.advance, max_batch=8, metrics=Metrics(), on_death=lambda: None)

    def stream(audio: bytes) -> Any:
        opened = recognizer.open_stream(AudioFormat(Encoding.LINEAR16, fakes.SAMPLE_RATE_HZ, 1), RecognitionOptions())
        opened.accept(audio)
        return opened

    try:
        ending = [stream(fakes.SPEECH) for _ in range(2)]
        for one in ending:
            await lanes.advance(one)
            one.finish()
        passes = [asyncio.ensure_future(lanes.advance(one)) for one in ending]
        await asyncio.to_thread(passing.acquire)
        speaking = stream(fakes.SPEECH * 3)
        for number in range(1, 4):
            (result,) = await asyncio.wait_for(lanes.advance(speaking), 5)
            assert len(result.alternatives[0].transcript.split()) == number
        assert together == [1]
        go_on.set()
        await asyncio.gather(*passes)
        assert together == [1, 1]
        assert all(one.is_decoding for one in ending)
    finally:
        go_on.set()
        lanes.close()
