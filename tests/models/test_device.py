"""What torch raises when the device fails, and what the recognizer makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from models.device import computation_type, failures_of
from models.errors import DeviceLost, OutOfMemory
from models.recognizer import Recognizer
from models.types import AudioFormat, Encoding, RecognitionOptions

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("raised", "wanted"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), OutOfMemory),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory"), OutOfMemory),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), OutOfMemory),
        (torch.AcceleratorError("an illegal memory access was encountered"), DeviceLost),
        (RuntimeError("CUDA error: unspecified launch failure"), DeviceLost),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), RuntimeError),
        (ValueError("CUDA error in a value"), ValueError),
    ],
)
def test_errors_of_torch_say_what_has_become_of_the_device(raised: Exception, wanted: type[Exception]) -> None:
    with pytest.raises(wanted) as found, failures_of(CPU):
        raise raised
    assert type(found.value) is wanted


def test_a_gpu_computes_in_float16_whose_weights_lie_as_it_wants_them() -> None:
    assert computation_type(torch.device("cuda")) == torch.float16
    assert computation_type(CPU) in (torch.bfloat16, torch.float32)


def test_what_the_allocator_raises_is_recognized() -> None:
    with pytest.raises(OutOfMemory), failures_of(CPU):
        torch.empty(2**60)


def test_a_stream_that_found_no_memory_goes_on_when_there_is_some(
    tiny_package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recognizer = Recognizer.load(tiny_package, "cpu")
    audio = AudioFormat(Encoding.LINEAR16, 16_000, 1)
    data = torch.randint(-3000, 3000, (16_000,), generator=torch.Generator().manual_seed(0)).short().numpy().tobytes()
    wanted = recognizer.transcribe(data, audio, RecognitionOptions())
    stream = recognizer.open_stream(audio, RecognitionOptions())
    stream.accept(data)

    def without_memory(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with monkeypatch.context() as fault:
        fault.setattr(recognizer._model, "forward_chunk", without_memory)
        with pytest.raises(OutOfMemory, match="out of memory; try again later"):
            recognizer.advance([stream])
    results = recognizer.drain(stream)
    stream.finish()
    results += recognizer.drain(stream)
    assert [result for result in results if result.is_final] == wanted


def test_a_closed_recognizer_holds_no_weights(tiny_package: Path) -> None:
    recognizer = Recognizer.load(tiny_package, "cpu")
    recognizer.close()
    assert all(weight.is_meta for weight in recognizer._model.parameters())
