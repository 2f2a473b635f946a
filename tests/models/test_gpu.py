"""What the CPU computes a GPU computes, too. Skipped where there is none."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch

from models.acoustic.model import AcousticModel
from models.acoustic.state import AcousticState, ChunkShape
from models.errors import OutOfMemory
from models.features import LogMel
from models.package import Package, find_package, open_package
from models.recognizer import Recognizer, load_model
from models.types import AudioFormat, Encoding, RecognitionOptions

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU that torch can use")

CPU, GPU = torch.device("cpu"), torch.device("cuda:0")
PCM = AudioFormat(Encoding.LINEAR16, 16_000, 1)
SHAPE = ChunkShape(4, 4)
PROBABILITY_TOLERANCE = {torch.float32: 0.01, torch.float16: 0.01, torch.bfloat16: 0.05}
"""The GPU multiplies in float32 with 10 bits after the point (TF32), as in float16; bfloat16 has 7."""
WEIGHTS_BYTES = 10_000_000
"""At least; in float16."""
NEIGHBORS = 512
"""So many chunks at a time need more memory than a process of one stream has left over."""


@pytest.fixture(scope="module")
def package() -> Package:
    return open_package(find_package("english"))


@pytest.fixture(scope="module")
def recognizer(package: Package) -> Iterator[Recognizer]:
    """Has passed its self-test."""
    recognizer = Recognizer.load(package.folder, "cuda")
    yield recognizer
    recognizer.close()


@pytest.fixture(scope="module")
def recordings(samples_dir: Path) -> list[bytes]:
    return [path.read_bytes()[44:] for path in sorted(samples_dir.glob("*.wav"))]


@pytest.fixture(scope="module")
def frames(package: Package, recordings: list[bytes]) -> torch.Tensor:
    """[2, T, F] of two recordings, cut to the shorter one."""
    samples = [torch.frombuffer(bytearray(audio), dtype=torch.int16).float() / 32768 for audio in recordings[:2]]
    shorter = min(map(len, samples))
    found: torch.Tensor = LogMel(package.config.features)(torch.stack([own[:shorter] for own in samples]))
    return found


@torch.inference_mode()
def whole_and_chunks(model: AcousticModel, frames: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """[B, outputs, P] probabilities of phones of the whole pass, and of all complete chunks but the first."""
    weight = model.head.weight
    own = frames.to(weight.device, weight.dtype)
    whole = model(own, torch.tensor([frames.shape[1]] * len(frames), device=weight.device)).phones
    state = AcousticState.stack([model.initial_state()] * len(frames))
    pieces, step = [], SHAPE.chunk_steps
    while (border := SHAPE.window_of(step))[1] <= frames.shape[1]:
        log_probs, state = model.forward_chunk(own[:, slice(*border)], state, SHAPE)
        state = AcousticState.stack(state.unstack())
        pieces.append(log_probs)
        step += SHAPE.chunk_steps
    return whole.exp().cpu(), torch.cat(pieces, dim=1).exp().cpu()


@pytest.mark.filterwarnings("ignore:RNN module weights are not part")  # in bfloat16, which the recognizer does not use
@pytest.mark.parametrize("kind", PROBABILITY_TOLERANCE, ids=str)
def test_it_hears_the_same_phones(package: Package, frames: torch.Tensor, kind: torch.dtype) -> None:
    wanted = whole_and_chunks(load_model(package, CPU), frames)
    found = whole_and_chunks(load_model(package, GPU).to(kind), frames)
    for own, other in zip(wanted, found, strict=True):
        torch.testing.assert_close(other, own, atol=PROBABILITY_TOLERANCE[kind], rtol=0)


def final_texts(recognizer: Recognizer, recordings: Sequence[bytes], seed: int) -> list[str]:
    """Of streams that go on together, in packets and with latencies by chance."""
    chance = random.Random(seed)
    options = [RecognitionOptions(latency_ms=chance.choice(recognizer.latencies_ms)) for _ in recordings]
    streams = [recognizer.open_stream(PCM, own) for own in options]
    texts: list[list[str]] = [[] for _ in streams]
    left = list(recordings)
    while any(left) or any(stream.is_ready or stream.is_decoding for stream in streams):
        for i, stream in enumerate(streams):
            if stream.is_ready:
                continue
            if stream.is_decoding:
                texts[i] += [result.alternatives[0].transcript for result in recognizer.decode(stream)]
            elif left[i]:
                size = chance.choice((320, 3_200, 9_998, 32_000))
                stream.accept(left[i][:size])
                left[i] = left[i][size:]
                if not left[i]:
                    stream.finish()
        if ready := [stream for stream in streams if stream.is_ready]:
            recognizer.advance(ready)
    return [" ".join(own) for own in texts]


def test_a_streams_final_text_is_the_files_whoever_its_neighbors_are(
    recognizer: Recognizer, recordings: list[bytes]
) -> None:
    files = [recognizer.transcribe(audio, PCM, RecognitionOptions(interim=False)) for audio in recordings]
    wanted = [" ".join(result.alternatives[0].transcript for result in own) for own in files]
    assert all(wanted)
    assert [final_texts(recognizer, [audio], seed)[0] for seed, audio in enumerate(recordings)] == wanted
    assert final_texts(recognizer, recordings * 3, 7) == wanted * 3


def test_the_cpu_understands_nearly_the_same(recognizer: Recognizer, package: Package, recordings: list[bytes]) -> None:
    """Rounding may decide between two words; four recordings have some fifty."""
    on_cpu = Recognizer(package, CPU)
    wanted, found = (
        [
            word
            for audio in recordings
            for result in own.transcribe(audio, PCM, RecognitionOptions(interim=False))
            for word in result.alternatives[0].transcript.split()
        ]
        for own in (on_cpu, recognizer)
    )
    assert len(set(wanted) ^ set(found)) <= 4


def test_a_closed_recognizer_has_given_its_memory_back(recognizer: Recognizer, package: Package) -> None:
    before = torch.cuda.memory_allocated(GPU)
    another = Recognizer(package, GPU)
    another.transcribe(bytes(32_000), PCM, RecognitionOptions())
    assert another.device_memory_bytes >= torch.cuda.memory_allocated(GPU) > before + WEIGHTS_BYTES
    another.close()
    assert torch.cuda.memory_allocated(GPU) < before + WEIGHTS_BYTES // 10


@pytest.mark.filterwarnings("ignore:Synchronization debug mode")
@torch.inference_mode()
def test_nothing_waits_for_the_gpu_within_a_chunk(recognizer: Recognizer, frames: torch.Tensor) -> None:
    windows = frames[:, : SHAPE.window_frames].contiguous()
    states = [recognizer._model.initial_state()] * len(windows)
    recognizer._model.forward_chunk(recognizer._input(windows), AcousticState.stack(states), SHAPE)
    torch.cuda.set_sync_debug_mode("error")
    try:
        _, after = recognizer._model.forward_chunk(recognizer._input(windows), AcousticState.stack(states), SHAPE)
        after.unstack()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_a_batch_without_memory_is_refused_and_a_smaller_one_goes_on(
    recognizer: Recognizer, recordings: list[bytes]
) -> None:
    stream = recognizer.open_stream(PCM, RecognitionOptions())
    stream.accept(recordings[0][:32_000])
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(GPU).total_memory
    torch.cuda.set_per_process_memory_fraction(torch.cuda.memory_reserved(GPU) / total, GPU)
    try:
        with pytest.raises(OutOfMemory):
            recognizer.advance([stream] * NEIGHBORS)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, GPU)
    assert stream.is_ready
    recognizer.advance([stream])
    assert stream.recognized_s > 0
