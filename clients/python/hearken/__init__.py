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
from hearken._options import Encoding, PhraseHint, StreamOptions, TranscribeOptions
from hearken._reconnect import Reconnect
from hearken._results import (
    Alternative,
    AudioClock,
    Latency,
    Model,
    Result,
    SpeechEvent,
    SpeechEventType,
    Transcript,
    Word,
    WordErrorRate,
)
from hearken._subtitles import to_srt, to_vtt
from hearken._version import VERSION

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
    "PhraseHint",
    "Reconnect",
    "Result",
    "ServerBusy",
    "ServerError",
    "SpeechEvent",
    "SpeechEventType",
    "StreamOptions",
    "TranscribeOptions",
    "Transcript",
    "Word",
    "WordErrorRate",
    "to_srt",
    "to_vtt",
]

__version__ = VERSION
