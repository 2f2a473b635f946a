"""Which device inference runs on, how many CPU threads it may use, and what its failures mean."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from models.errors import DeviceError, DeviceLost, OutOfMemory
from models.missing_gpu import missing_piece
from models.threads import thread_count

log = logging.getLogger(__name__)

_NO_MEMORY = ("ALLOC_FAILED", "can't allocate memory", "out of memory")
"""In the texts of torch's errors, which have a type of their own only where torch itself allocates."""
_DEVICE_FAILED = ("CUDA error", "cuDNN error", "CUBLAS_STATUS", "NCCL error")


def open_device(name: str) -> torch.device:
    """`auto` takes a GPU where there is one and says in the log what it took; a named device must be there.

    Raises DeviceError.
    """
    if name == "auto":
        device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
        why = torch.cuda.get_device_name(device) if device.type == "cuda" else "no usable CUDA device was found"
        log.info("device auto: taking %s (%s)", device, why)
        return device
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(f"{name!r} is not a device; use auto, cpu, cuda or cuda:N") from error
    if device.type not in ("cpu", "cuda"):
        raise DeviceError(f"{name!r} is not supported; use auto, cpu, cuda or cuda:N")
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise DeviceError(f"{name!r} was asked for, but {missing_piece()}; or use HEARKEN_DEVICE=cpu")
        if (device.index or 0) >= torch.cuda.device_count():
            raise DeviceError(f"{name!r} was asked for, but there are {torch.cuda.device_count()} CUDA device(s)")
    return device


def device_of_worker(name: str, worker: int) -> str:
    """The device of one of several processes, counted from 0: with `auto` or `cuda` they take the GPUs in turn."""
    gpus = torch.cuda.device_count() if name in ("auto", "cuda") and torch.cuda.is_available() else 0
    return f"cuda:{worker % gpus}" if gpus else name


def use_threads(count: int) -> None:
    """Sets the CPU threads of one operation in the calling thread; 0 as `thread_count` says."""
    torch.set_num_threads(thread_count(count))


def computation_type(device: torch.device) -> torch.dtype:
    """The fastest that the device multiplies by itself and not by emulation: nearly twice as fast as float32.

    Every GPU that torch still runs on has float16. It keeps three more bits than bfloat16, and the largest value in the
    bundled model is some hundreds, far from its limit. In bfloat16 torch lays out an LSTM's weights anew at each call.
    """
    if device.type == "cuda":
        return torch.float16
    able = torch.cpu.get_capabilities()
    return torch.bfloat16 if able.get("avx512_bf16") or able.get("amx_bf16") else torch.float32


@contextmanager
def failures_of(device: torch.device) -> Iterator[None]:
    """Raises OutOfMemory or DeviceLost in place of what torch raises for them; other errors stay what they are."""
    try:
        yield
    except RuntimeError as error:
        text = str(error)
        if isinstance(error, torch.OutOfMemoryError) or any(part in text for part in _NO_MEMORY):
            release_memory(device)
            raise OutOfMemory(f"the model's device {device} is out of memory; try again later") from error
        if isinstance(error, torch.AcceleratorError) or any(part in text for part in _DEVICE_FAILED):
            raise DeviceLost(f"the device {device} has failed: {text.partition(chr(10))[0]}") from error
        raise


def release_memory(device: torch.device) -> None:
    """Gives memory that torch keeps for later back to the device."""
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.empty_cache()


def held_memory_bytes(device: torch.device) -> int:
    """What this process holds of a GPU's memory, in use or for later; 0 on a CPU."""
    return torch.cuda.memory_reserved(device) if device.type == "cuda" else 0
