"""Google's codes and words."""

from __future__ import annotations

import grpc
import pytest

from models.errors import HeaderMismatch, InvalidAudio
from service import errors
from service.rpc.errors import STATUS_OF
from service.rpc.google_v1.errors import Malordered, said_by_google

INVALID, RANGE, EXHAUSTED = (
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
)


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (Malordered(), INVALID, "Malordered Data Received. Send exactly one config, followed by audio data."),
        (
            HeaderMismatch("sample rate in Hz", 16_000, "WAV", 8_000),
            INVALID,
            "sample_rate_hertz (16000) in RecognitionConfig must either be unspecified or match the value in the WAV"
            " header (8000).",
        ),
        (
            errors.RecordingTooLong(60),
            INVALID,
            "Sync input too long. For audio longer than 60 s use LongRunningRecognize.",
        ),
        (
            errors.IdleTooLong(10),
            RANGE,
            "Audio Timeout Error: Long duration elapsed without audio. Audio should be sent close to real time.",
        ),
        (errors.StreamTooLong(305), RANGE, "Exceeded maximum allowed stream duration of 305 seconds."),
        (InvalidAudio("this is no audio"), INVALID, "this is no audio"),
    ],
)
def test_an_error_is_said_as_google_says_it(error: Exception, code: grpc.StatusCode, words: str) -> None:
    assert said_by_google(error) == (code, words)


def test_nobody_is_told_to_try_a_half_sent_stream_again() -> None:
    for error in (errors.StillLoading(), errors.ShuttingDown(), errors.Draining(1.0), errors.ServerFull(1, 1.0)):
        assert (said := said_by_google(error)) is not None and said[0] is EXHAUSTED
    unavailable = {kind for kind, code in STATUS_OF.items() if code is grpc.StatusCode.UNAVAILABLE}
    assert unavailable == {errors.StillLoading, errors.ShuttingDown, errors.Draining}


def test_what_was_not_foreseen_is_left_to_the_log() -> None:
    assert said_by_google(KeyError("x")) is None
