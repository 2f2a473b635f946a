"""Recordings that are not plain WAV (FLAC, Ogg, MP3, float WAV), through the extra `audio`, loaded when needed."""

from __future__ import annotations

from importlib import import_module
from typing import Any, BinaryIO

from hearken._errors import AudioError, MissingExtra

_FULL_SCALE = 32768


class SoundFileReader:
    """Reads any format that libsndfile knows, as 16-bit samples. The file must be seekable."""

    def __init__(self, file: BinaryIO) -> None:
        try:
            soundfile = import_module("soundfile")
        except (ImportError, OSError):  # OSError: the package is there, its library is not
            raise MissingExtra(
                "only PCM, mu-law and A-law WAV is read without help; for other formats `pip install 'hearken[audio]'`"
            ) from None
        try:
            self._file: Any = soundfile.SoundFile(file)
        except soundfile.LibsndfileError as error:
            raise AudioError(f"no audio format known here: {error.error_string}") from None
        self.sample_rate_hz: int = self._file.samplerate
        self.channels: int = self._file.channels
        self.frame_count: int = self._file.frames

    def read(self, frame_count: int) -> bytes:
        """The next frames as signed 16-bit little-endian samples; fewer at the end, then none."""
        # Read as floats: libsndfile neither scales nor clips float formats when asked for integers.
        samples = self._file.read(frame_count, dtype="float32", always_2d=True)
        scaled: bytes = (samples * _FULL_SCALE).round().clip(-_FULL_SCALE, _FULL_SCALE - 1).astype("<i2").tobytes()
        return scaled
