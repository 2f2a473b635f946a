"""Hearken: streaming speech recognition. This package talks to a Hearken server; its README shows how."""

from hearken._aio import AsyncClient
from hearken._audio import AudioFile, AudioFormat
from hearken._client import Client
from hearken._connection import ConnectionOptions
from hearken._errors import (
    AudioError,
    AuthenticationFailed,
    ConnectionFailed,
    DeadlineExceeded,
    HearkenError,
    InvalidRequest,
    MissingExtra,
    ServerBusy,
    ServerError,
)
from hearken._microphone import Microphone
from hearken._options import Encoding, StreamOptions, TranscribeOptions
from hearken._results import Alternative, AudioClock, Latency, Model, Result, Transcript, Word, WordErrorRate

__all__ = [
    "Alternative",
    "AsyncClient",
    "AudioClock",
    "AudioError",
    "AudioFile",
    "AudioFormat",
    "AuthenticationFailed",
    "Client",
    "ConnectionFailed",
    "ConnectionOptions",
    "DeadlineExceeded",
    "Encoding",
    "HearkenError",
    "InvalidRequest",
    "Latency",
    "Microphone",
    "MissingExtra",
    "Model",
    "Result",
    "ServerBusy",
    "ServerError",
    "StreamOptions",
    "TranscribeOptions",
    "Transcript",
    "Word",
    "WordErrorRate",
]
