"""Which device inference runs on, and how many CPU threads it may use."""

from __future__ import annotations

import logging
import os

import torch

from models.errors import DeviceError

log = logging.getLogger(__name__)


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
            raise DeviceError(
                f"{name!r} was asked for, but no CUDA device is usable: check the driver, and in a container the "
                "NVIDIA container toolkit and --gpus; or use HEARKEN_DEVICE=cpu"
            )
        if (device.index or 0) >= torch.cuda.device_count():
            raise DeviceError(f"{name!r} was asked for, but there are {torch.cuda.device_count()} CUDA device(s)")
    return device


def use_threads(count: int) -> None:
    """Sets the CPU threads of one operation. 0: half of the cores of this process; the service has the rest."""
    torch.set_num_threads(count or max(1, len(os.sched_getaffinity(0)) // 2))
