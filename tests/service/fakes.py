"""A recognizer without a model: each step of audio that is not silent is a word, silence ends the utterance.

It keeps the contract of service/engine.py and can be told to wait, to fail or to die.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from models.errors import InvalidAudio, InvalidOptions
from models.types import (
    Alternative,
    AudioFormat,
    Encoding,
    RecognitionOptions,
    Result,
    SpeechEvent,
    SpeechEventType,
    Word,
)

SAMPLE_RATE_HZ = 16000
BYTES_PER_S = 2 * SAMPLE_RATE_HZ
STEP_S = 0.25
STEP_BYTES = int(STEP_S * BYTES_PER_S)
SPEECH = b"\x01\x02" * (STEP_BYTES // 2)
"""One step of audio: one word."""
SILENCE = bytes(STEP_BYTES)
"""One step of audio: the end of the utterance."""
DEADLY = b"\xde\xad" * (STEP_BYTES // 2)
"""One step of audio that ends the inference thread of fake_server.py."""
PIECE_BYTES = 32 * 1024


@dataclass(frozen=True)
class FakeRate:
    """See service.engine.WordErrorRate."""

    test_set: str = "made-up test"
    setting: str = "final"
    percent: float = 12.5


@dataclass(frozen=True)
class FakeCard:
    """See service.engine.ModelCard."""

    language: str = "en-US"
    description: str = "Counts instead of listening."
    word_error_rates: tuple[FakeRate, ...] = (FakeRate(),)


@dataclass(eq=False)
class FakeStream:
    """Knows whether two threads are in it at once: `misused`."""

    audio: AudioFormat
    options: RecognitionOptions
    buffered: bytearray = field(default_factory=bytearray)
    received: int = 0
    words: list[Word] = field(default_factory=list)
    utterance: int = 0
    steps: int = 0
    finished: bool = False
    misused: bool = False
    ended: list[Result] = field(default_factory=list)
    events: list[SpeechEvent] = field(default_factory=list)
    is_over: bool = False
    piece_bytes: int = PIECE_BYTES
    _inside: threading.Lock = field(default_factory=threading.Lock)

    @property
    def received_s(self) -> float:
        return self.received / BYTES_PER_S

    @property
    def recognized_s(self) -> float:
        return self.steps * STEP_S

    @property
    def channels(self) -> int:
        return self.audio.channels or 1 if self.audio.separate_channels else 1

    @property
    def is_decoding(self) -> bool:
        return bool(self.ended)

    @property
    def is_ready(self) -> bool:
        if self.ended:
            return False
        return len(self.buffered) >= STEP_BYTES or (self.finished and bool(self.words))

    @property
    def is_ending(self) -> bool:
        return self.is_ready and len(self.buffered) < STEP_BYTES

    def take_events(self) -> list[SpeechEvent]:
        events, self.events = self.events, []
        return events

    def accept(self, data: bytes) -> None:
        with self._alone():
            if self.is_over:
                return
            if not self.received and self.audio.sample_rate_hz == 0 and data[:4] != b"RIFF":
                raise InvalidAudio("the sample rate is missing; give sample_rate_hz of raw audio")
            self.buffered += data
            self.received += len(data)

    def finish(self) -> None:
        with self._alone():
            if self.received % 2:
                raise InvalidAudio("the audio breaks off in the middle of a sample")
            self.finished = True
            if len(self.buffered) < STEP_BYTES:
                self.buffered.clear()

    def step(self) -> list[Result]:
        with self._alone():
            if len(self.buffered) < STEP_BYTES:
                self.ended = [self._end_utterance()]
                return []
            piece = bytes(self.buffered[:STEP_BYTES])
            del self.buffered[:STEP_BYTES]
            start_s = self.recognized_s
            self.steps += 1
            if not piece.strip(b"\x00"):
                if self.words:
                    self._note(SpeechEventType.END_OF_UTTERANCE, start_s)
                    self.ended = [self._end_utterance()]
                return []
            if not self.words:
                self._note(SpeechEventType.SPEECH_BEGIN, start_s)
            self.words.append(Word(f"w{self.steps}", start_s, start_s + STEP_S, 0.5))
            return [self._result(is_final=False)] if self.options.interim else []

    def decode(self) -> list[Result]:
        with self._alone():
            results, self.ended = self.ended, []
            if self.options.endpointing.single_utterance:
                self.is_over = True
                self.buffered.clear()
            return results

    def _note(self, event: SpeechEventType, time_s: float) -> None:
        if self.options.speech_events:
            self.events.append(SpeechEvent(event, time_s))

    def _end_utterance(self) -> Result:
        result = self._result(is_final=True)
        self.words, self.utterance = [], self.utterance + 1
        return result

    def _result(self, *, is_final: bool) -> Result:
        words = tuple(self.words) if is_final and self.options.word_info else ()
        first = Alternative(" ".join(word.text for word in self.words), 0.75, words)
        others = tuple(Alternative(f"other {n}") for n in range(1, self.options.max_alternatives if is_final else 1))
        return Result(
            alternatives=(first, *others),
            is_final=is_final,
            start_s=self.words[0].start_s,
            end_s=self.words[-1].end_s,
            utterance=self.utterance,
            stability=1.0 if is_final else 0.5,
        )

    def _alone(self) -> _Alone:
        return _Alone(self)


class _Alone:
    def __init__(self, stream: FakeStream) -> None:
        self._stream = stream

    def __enter__(self) -> None:
        if not self._stream._inside.acquire(blocking=False):
            self._stream.misused = True
            raise AssertionError("two threads are in one stream")

    def __exit__(self, *_: object) -> None:
        self._stream._inside.release()


class FakeRecognizer:
    """Remembers its streams and the size of every batch; `before_advance` may block, raise or kill."""

    name = "fake"
    card = FakeCard()
    sample_rate_hz = SAMPLE_RATE_HZ
    latencies_ms = (160, 320, 640)
    device = "nowhere"
    device_memory_bytes = 0

    def __init__(self, before_advance: Callable[[Sequence[FakeStream]], None] = lambda streams: None) -> None:
        self.before_advance = before_advance
        self.streams: list[FakeStream] = []
        self.batches: list[int] = []

    def open_stream(self, audio: AudioFormat, options: RecognitionOptions) -> FakeStream:
        if audio.encoding is Encoding.ALAW:
            raise InvalidOptions("this fake does not know A-law; send something else")
        self.streams.append(FakeStream(audio, options))
        return self.streams[-1]

    def advance(self, streams: Sequence[FakeStream]) -> list[list[Result]]:
        assert all(stream.is_ready for stream in streams)
        self.batches.append(len(streams))
        self.before_advance(streams)
        return [stream.step() for stream in streams]

    def decode(self, stream: FakeStream) -> list[Result]:
        assert stream.is_decoding
        return stream.decode()

    def rehearse(self, callers: int) -> float:
        return 0.0

    def close(self) -> None:
        pass


def two_models() -> tuple[FakeRecognizer, FakeRecognizer]:
    """An English one and, of the name "deutsch", a German one."""
    english, german = FakeRecognizer(), FakeRecognizer()
    german.name, german.card = "deutsch", FakeCard(language="de-DE")
    return english, german
