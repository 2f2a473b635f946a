"""The one place that calls libsndfile: a small file in memory to samples."""

from __future__ import annotations

import io

import numpy as np
import soundfile

from models.audio.pcm import Samples


def decode_file(data: bytes, channels: int) -> Samples | None:
    """[C, N] samples of a whole file; None when it is damaged or has another number of channels."""
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            if file.channels != channels:
                return None
            samples = file.read(dtype="float32", always_2d=True)
    except soundfile.SoundFileError:
        return None
    # Opus overshoots, and its header may ask for a gain of up to 128 dB.
    return np.ascontiguousarray(samples.T).clip(-1.0, 1.0)
