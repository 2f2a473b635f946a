"""What Google says about errors: its codes and, where there are such, its words. Client code looks for them."""

from __future__ import annotations

import grpc

from models.errors import HeaderMismatch
from service.errors import (
    Draining,
    IdleTooLong,
    InvalidRequest,
    RecordingTooLong,
    ShuttingDown,
    StillLoading,
    StreamTooLong,
    TooSlow,
)
from service.rpc.errors import Said, said_of


class Malordered(InvalidRequest):
    """The first message holds no config, or a later one no audio."""

    def __init__(self) -> None:
        super().__init__("streaming_config", "must be in the first message and in no other")


_FIELDS = {
    "encoding": "encoding",
    "sample rate in Hz": "sample_rate_hertz",
    "number of channels": "audio_channel_count",
}


def said_by_google(error: Exception) -> Said | None:
    """As service.rpc.errors.said_of."""
    match error:
        case Malordered():
            return grpc.StatusCode.INVALID_ARGUMENT, (
                "Malordered Data Received. Send exactly one config, followed by audio data."
            )
        case HeaderMismatch():
            return grpc.StatusCode.INVALID_ARGUMENT, (
                f"{_FIELDS[error.what]} ({error.given}) in RecognitionConfig must either be unspecified or match"
                f" the value in the {error.container} header ({error.said})."
            )
        case RecordingTooLong():
            return grpc.StatusCode.INVALID_ARGUMENT, (
                f"Sync input too long. For audio longer than {error.max_audio_s:g} s use LongRunningRecognize."
            )
        case IdleTooLong() | TooSlow():
            return grpc.StatusCode.OUT_OF_RANGE, (
                "Audio Timeout Error: Long duration elapsed without audio. Audio should be sent close to real time."
            )
        case StreamTooLong():
            return grpc.StatusCode.OUT_OF_RANGE, (
                f"Exceeded maximum allowed stream duration of {error.max_stream_s:g} seconds."
            )
        # Google's clients try again by themselves when they are told UNAVAILABLE: a stream with the rest of its audio.
        case StillLoading() | ShuttingDown() | Draining():
            return grpc.StatusCode.RESOURCE_EXHAUSTED, str(error)
        case _:
            return said_of(error)
