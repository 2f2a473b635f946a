"""The whole path on real recorded speech with the bundled model: real server, real client, real audio."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hearken import AsyncClient, Client
from models.evaluation.wer import error_rates
from models.package import find_package, open_package
from models.training.data import Utterance, read_audio, read_corpus

TEST_SET = "librispeech test-clean, 663 utterances"
UTTERANCES = 50
NEIGHBORS = 8
WORSE_THAN_CARD = 10.0  # percent; 50 utterances are a small sample of the set that the model card reports


@pytest.fixture(scope="module")
def utterances(speech_dir: Path) -> list[Utterance]:
    corpus = read_corpus(speech_dir / "test-clean")
    return corpus[:: len(corpus) // UTTERANCES][:UTTERANCES]


async def streamed(client: AsyncClient, audio: bytes, cuts: random.Random, latency_ms: int) -> str:
    async def packets() -> AsyncIterator[bytes]:
        at = 0
        while at < len(audio):
            size = cuts.choice((1, 77, 320, 3_200, 9_999, 64_000))
            yield audio[at : at + size]
            at += size
            await asyncio.sleep(0)

    results = client.stream(packets(), sample_rate_hz=16_000, latency_ms=latency_ms)
    return " ".join([result.text async for result in results if result.is_final])


def test_a_streams_final_text_is_the_files(server: str, utterances: list[Utterance]) -> None:
    """50 utterances, random packets and latencies, 8 at a time: character by character."""
    audios = [read_audio(utterance.path).tobytes() for utterance in utterances]
    with Client(server) as client:
        whole = [client.transcribe(audio, sample_rate_hz=16_000).text for audio in audios]

    async def all_streams() -> list[str]:
        places = asyncio.Semaphore(NEIGHBORS)
        async with AsyncClient(server) as client:

            async def one(number: int, audio: bytes) -> str:
                cuts = random.Random(number)
                async with places:
                    return await streamed(client, audio, cuts, cuts.choice((160, 320, 640, 1280)))

            return await asyncio.gather(*(one(number, audio) for number, audio in enumerate(audios)))

    assert asyncio.run(all_streams()) == whole
    rates = error_rates([utterance.transcript for utterance in utterances], whole)
    card = open_package(find_package("english")).card
    (reported,) = (r.percent for r in card.word_error_rates if r.test_set == TEST_SET and r.setting.startswith("final"))
    assert rates.wer < reported + WORSE_THAN_CARD


def test_interim_results_come_before_the_audio_ends(server: str, utterances: list[Utterance]) -> None:
    longest = max(utterances, key=lambda utterance: utterance.seconds)
    audio = read_audio(longest.path).tobytes()
    with Client(server) as client:
        results = list(client.stream([audio], sample_rate_hz=16_000, latency_ms=320))
    interim = [result for result in results if not result.is_final]
    assert len(interim) > 3
    assert all(result.end_s <= longest.seconds for result in interim)
