"""Why no GPU can be used although one was asked for: what is missing between it and this process."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Mapping
from pathlib import Path


def missing_piece(
    root: Path = Path("/"),
    environment: Mapping[str, str] = os.environ,
    load_library: Callable[[str], object] = ctypes.CDLL,
) -> str:
    """A sentence with the first thing that is missing, from the machine to this process, and what to do about it."""
    in_container = (root / ".dockerenv").exists() or "KUBERNETES_SERVICE_HOST" in environment
    if not (root / "proc/driver/nvidia/version").exists():
        return "this machine has no NVIDIA driver loaded; install it, so that nvidia-smi shows the GPU"
    if not (root / "dev/nvidiactl").exists():
        if in_container:
            return (
                "this container was given no GPU; start it with --gpus all or docker-compose.gpu.yml, in Kubernetes"
                " with the resource nvidia.com/gpu"
            )
        return "the NVIDIA driver has found no GPU; nvidia-smi says more"
    try:
        load_library("libcuda.so.1")
    except OSError:
        if in_container:
            return (
                "the driver's library libcuda.so.1 is not in this container; the NVIDIA container toolkit on the"
                " machine brings it in, with NVIDIA_DRIVER_CAPABILITIES=compute,utility"
            )
        return "the driver's library libcuda.so.1 is missing; install all of the NVIDIA driver"
    hidden = environment.get("CUDA_VISIBLE_DEVICES")
    if hidden is not None and hidden.strip() in ("", "-1", "none"):
        return f"CUDA_VISIBLE_DEVICES is {hidden!r} and hides every GPU; unset it"
    return "the NVIDIA driver is there but CUDA does not start; it is probably too old for this torch, see nvidia-smi"
