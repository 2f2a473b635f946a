"""What the service needs of a recognizer. The real one is models.recognizer.Recognizer; the tests have a fake.

How speech becomes text is left to `models`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from models.types import AudioFormat, RecognitionOptions, Result, SpeechEvent


class Stream(Protocol):
    """One caller's stream; `accept`, `finish` and the recognizer's `advance` alternate, never at the same time."""

    @property
    def received_s(self) -> float:
        """Audio received."""

    @property
    def recognized_s(self) -> float:
        """Audio that the results so far take into account."""

    @property
    def is_ready(self) -> bool:
        """Whether `advance` has something to do for it. Finished, not ready and not decoding: done."""

    @property
    def is_ending(self) -> bool:
        """Whether it is ready for the whole-utterance pass, which takes longer than a chunk."""

    @property
    def is_decoding(self) -> bool:
        """Whether an utterance has ended and waits for `decode`; it is not ready then."""

    @property
    def channels(self) -> int:
        """How many channels are recognized, each at the cost of a stream; 0 as long as no audio has come."""

    @property
    def piece_bytes(self) -> int:
        """Most bytes that should be given to the next `accept`, so that it takes neither long nor much memory."""

    @property
    def is_over(self) -> bool:
        """Whether more audio would be ignored: the caller's options have ended the stream."""

    def take_events(self) -> list[SpeechEvent]:
        """What has happened in the audio since they were taken last, in order."""

    def accept(self, data: bytes) -> None:
        """Takes the next bytes of audio; CPU work, about 1 ms for 100 ms of audio. Raises InvalidAudio."""

    def finish(self) -> None:
        """No more audio will come. Raises InvalidAudio."""


class WordErrorRate(Protocol):
    """One measurement of the model card."""

    @property
    def test_set(self) -> str:
        """For example "librispeech test-clean"."""

    @property
    def setting(self) -> str:
        """For example "final"."""

    @property
    def percent(self) -> float:
        """The rate."""


class ModelCard(Protocol):
    """What a user should know about a model."""

    @property
    def language(self) -> str:
        """BCP-47."""

    @property
    def description(self) -> str:
        """One or two sentences."""

    @property
    def word_error_rates(self) -> Sequence[WordErrorRate]:
        """Measurements."""


StreamT = TypeVar("StreamT")


class Recognizer(Protocol[StreamT]):
    """Shared by all callers; never changes."""

    @property
    def name(self) -> str:
        """Name of the model."""

    @property
    def card(self) -> ModelCard:
        """What the model says about itself."""

    @property
    def sample_rate_hz(self) -> int:
        """Rate of the model; other rates are resampled."""

    @property
    def latencies_ms(self) -> Sequence[int]:
        """The latencies that callers may choose."""

    @property
    def device(self) -> str:
        """Where it runs."""

    @property
    def device_memory_bytes(self) -> int:
        """What this process holds of a GPU's memory; 0 on a CPU."""

    def open_stream(self, audio: AudioFormat, options: RecognitionOptions) -> StreamT:
        """A new stream. Raises InvalidOptions and InvalidAudio. Any thread may call it."""

    def advance(self, streams: Sequence[StreamT]) -> list[list[Result]]:
        """One step for each ready stream; one list of results a stream.

        Two threads call it, one for streams that are ending.

        If it raises, the streams are as they were, so that each can be tried alone. OutOfMemory: fewer at a time may
        fit. DeviceLost: only a new process can go on.
        """

    def decode(self, stream: StreamT) -> list[Result]:
        """The final result of a stream that is decoding. May take long; any thread may call it, many at a time."""

    def rehearse(self, callers: int) -> float:
        """Recognizes something of so many callers at a time, to see what it costs; gives the seconds of audio."""

    def close(self) -> None:
        """Ends what it has started."""
