"""Each missing piece between a GPU and the process has a name."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.device import open_device
from models.errors import DeviceError
from models.missing_gpu import missing_piece

DRIVER, NODE, CONTAINER = "proc/driver/nvidia/version", "dev/nvidiactl", ".dockerenv"


def no_library(name: str) -> object:
    raise OSError(name)


@pytest.mark.parametrize(
    ("there", "library", "environment", "named"),
    [
        ((), False, {}, "no NVIDIA driver"),
        ((CONTAINER,), False, {}, "no NVIDIA driver"),
        ((DRIVER,), False, {}, "found no GPU"),
        ((DRIVER, CONTAINER), False, {}, "--gpus all"),
        ((DRIVER,), False, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "nvidia.com/gpu"),
        ((DRIVER, NODE), False, {}, "libcuda.so.1 is missing"),
        ((DRIVER, NODE, CONTAINER), False, {}, "NVIDIA container toolkit"),
        ((DRIVER, NODE), True, {"CUDA_VISIBLE_DEVICES": ""}, "CUDA_VISIBLE_DEVICES"),
        ((DRIVER, NODE), True, {}, "too old"),
    ],
)
def test_the_first_missing_piece_is_named(
    tmp_path: Path, there: tuple[str, ...], library: bool, environment: dict[str, str], named: str
) -> None:
    for name in there:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert named in missing_piece(tmp_path, environment, str if library else no_library)


@pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="this machine has a GPU")
def test_a_device_that_is_not_there_is_refused_with_the_missing_piece() -> None:
    with pytest.raises(DeviceError, match="NVIDIA driver"):
        open_device("cuda")
