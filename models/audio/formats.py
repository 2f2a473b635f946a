"""What a caller says about audio and what its header says: do they agree, and is it audio that we take?"""

from __future__ import annotations

from models.errors import HeaderMismatch, InvalidAudio
from models.types import AudioFormat, Encoding

MIN_SAMPLE_RATE_HZ = 8_000
MAX_SAMPLE_RATE_HZ = 48_000
MAX_CHANNELS = 8


def check_declared(declared: AudioFormat) -> None:
    """Raises InvalidAudio when this cannot be right for any audio."""
    if declared.sample_rate_hz:
        _check_rate(declared.sample_rate_hz)
    if declared.channels:
        _check_channels(declared.channels)


def check_found(found: AudioFormat, container: str, declared: AudioFormat) -> None:
    """Raises InvalidAudio when a header says something else than the caller, or something that we do not take."""
    for what, said, is_said in (
        ("encoding", declared.encoding.value, found.encoding.value),
        ("sample rate in Hz", declared.sample_rate_hz, found.sample_rate_hz),
        ("number of channels", declared.channels, found.channels),
    ):
        if said not in (0, Encoding.FROM_HEADER.value, is_said):
            raise HeaderMismatch(what, said, container, is_said)
    _check_rate(found.sample_rate_hz)
    _check_channels(found.channels)


def raw_format(declared: AudioFormat) -> AudioFormat:
    """The format of raw audio, one channel unless the caller says otherwise. Raises InvalidAudio."""
    if declared.sample_rate_hz == 0:
        raise InvalidAudio("the sample rate is missing; give sample_rate_hz of raw audio")
    check_declared(declared)
    return AudioFormat(declared.encoding, declared.sample_rate_hz, declared.channels or 1)


def describe(audio: AudioFormat) -> str:
    """For a sentence."""
    return f"{audio.encoding.value} with {audio.sample_rate_hz} Hz and {audio.channels} channel(s)"


def _check_rate(rate_hz: int) -> None:
    if not MIN_SAMPLE_RATE_HZ <= rate_hz <= MAX_SAMPLE_RATE_HZ:
        raise InvalidAudio(f"a sample rate of {rate_hz} Hz is outside {MIN_SAMPLE_RATE_HZ} to {MAX_SAMPLE_RATE_HZ} Hz")


def _check_channels(channels: int) -> None:
    if not 1 <= channels <= MAX_CHANNELS:
        raise InvalidAudio(f"{channels} channels are outside 1 to {MAX_CHANNELS}")
