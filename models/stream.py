"""One caller's stream: audio bytes in, one channel or several that are recognized, until the audio ends or is enough.

What a channel has heard is `channel.py`'s; the computing is the Recognizer's.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from models.acoustic.state import AcousticState
from models.activity import NoSpeechTimer
from models.audio import AudioDecoder
from models.channel import Channel, ChannelParts, ChunkJob, FinalJob
from models.features import FRAMES_PER_SECOND, SAMPLE_RATE_HZ
from models.final_pass import FinalPass
from models.types import Alternative, AudioFormat, RecognitionOptions, Result, SpeechEvent, SpeechEventType


class Stream:
    """Owned by one caller; `accept`/`finish` and the Recognizer's `advance` alternate, never at the same time.

    One channel at a time has its turn: that of `job` is also the one that absorbs what came out.
    """

    def __init__(
        self, audio: AudioFormat, options: RecognitionOptions, parts: ChannelParts, final_pass: FinalPass
    ) -> None:
        """Raises InvalidAudio when the declared format cannot be right for any audio."""
        self.final_pass = final_pass
        self._options = options
        self._parts = parts
        self._decoder = AudioDecoder(audio)
        self._channels: list[Channel] = []  # how many there are may stand in the audio's header
        self._is_separate = audio.separate_channels
        timeouts_s = options.endpointing.speech_start_timeout_s, options.endpointing.speech_end_timeout_s
        self._timer = None if timeouts_s == (None, None) else NoSpeechTimer(*timeouts_s)
        self._events: list[SpeechEvent] = []
        self._samples = self._heard_frames = 0
        self._finished = False

    @property
    def options(self) -> RecognitionOptions:
        """What the caller asked for."""
        return self._options

    @property
    def received_s(self) -> float:
        """Audio received, in seconds."""
        return self._samples / SAMPLE_RATE_HZ

    @property
    def recognized_s(self) -> float:
        """Audio that the results so far take into account, in seconds."""
        if self._finished and not self.is_ready and not self.is_decoding:
            return self.received_s
        return min((channel.recognized_s for channel in self._channels), default=0.0)

    @property
    def channels(self) -> int:
        """How many channels are recognized, each at the cost of a stream; 0 as long as no audio has come."""
        return len(self._channels)

    @property
    def piece_bytes(self) -> int:
        """Most bytes that should be given to the next `accept`, so that it takes neither long nor much memory."""
        return self._decoder.piece_bytes

    @property
    def is_ready(self) -> bool:
        """Whether the acoustic model has a job for this stream: `job`. Not while it `is_decoding`."""
        return not self.is_decoding and any(channel.is_ready for channel in self._channels)

    @property
    def is_ending(self) -> bool:
        """Whether that job is the whole-utterance pass of an utterance that has ended."""
        return self.is_ready and self._ready().is_ending

    @property
    def is_decoding(self) -> bool:
        """Whether an ended utterance waits for its beam search: `final_log_probs`."""
        return any(channel.is_decoding for channel in self._channels)

    @property
    def is_over(self) -> bool:
        """Whether more audio would be ignored: there was the single utterance, or nobody spoke for too long."""
        return self._finished or any(channel.has_single_utterance for channel in self._channels)

    @property
    def final_log_probs(self) -> Tensor:
        """[outputs, P] phones of the utterance that has ended; only while `is_decoding`."""
        return self._decoding().final_log_probs

    @property
    def utterance_start_s(self) -> float:
        """Where the utterance that waits for its beam search begins, in seconds of the stream."""
        return self._decoding().utterance_start_s

    @torch.inference_mode()
    def accept(self, data: bytes) -> None:
        """Takes the next bytes of audio. Raises InvalidAudio."""
        self._take_all(self._decoder.accept(data))

    @torch.inference_mode()
    def finish(self) -> None:
        """No more audio will come. Raises InvalidAudio when the audio breaks off in the middle of a sample."""
        self._take_all(self._decoder.finish())
        if not self.is_over:
            self._end()

    def take_events(self) -> list[SpeechEvent]:
        """What has happened since they were taken last; each channel's events are in order."""
        events = [event for channel in self._channels for event in channel.take_events()] + self._events
        self._events = []
        return events

    def job(self) -> ChunkJob | FinalJob:
        """What to compute next; only while `is_ready`."""
        return self._ready().job()

    def absorb_chunk(self, log_probs: Tensor, state: AcousticState) -> list[Result]:
        """Takes what came out of a ChunkJob; see Channel."""
        return self._ready().absorb_chunk(log_probs, state)

    def absorb_final_pass(self, log_probs: Tensor) -> None:
        """Takes what came out of a FinalJob; see Channel."""
        self._ready().absorb_final_pass(log_probs)

    def absorb_readings(self, alternatives: tuple[Alternative, ...]) -> list[Result]:
        """Takes the readings of the utterance that was decoding; see Channel."""
        return self._decoding().absorb_readings(alternatives)

    def _take_all(self, runs: Iterator[Tensor]) -> None:
        while not self.is_over and (samples := next(runs, None)) is not None:
            self._take(samples)

    def _take(self, samples: Tensor) -> None:
        """[C, N]"""
        if not samples.shape[1]:
            return
        if not self._channels:
            tags = range(1, len(samples) + 1) if self._is_separate else (0,)
            self._channels = [Channel(self._options, self._parts, tag=tag) for tag in tags]
        self._samples += samples.shape[1]
        heard = [channel.hear(own) for channel, own in zip(self._channels, samples, strict=True)]
        left = None if self._timer is None else self._timer.accept([_speech(new.decided) for new in heard])
        for channel, new in zip(self._channels, heard, strict=True):
            channel.accept(new.first(left))
        self._heard_frames += len(heard[0].decided) if left is None else left
        if left is not None:
            time_s = self._heard_frames / FRAMES_PER_SECOND
            self._events.append(SpeechEvent(SpeechEventType.NO_SPEECH_TIMEOUT, time_s))
            self._end()

    def _end(self) -> None:
        self._finished = True
        for channel in self._channels:
            channel.finish()

    def _ready(self) -> Channel:
        return next(channel for channel in self._channels if channel.is_ready)

    def _decoding(self) -> Channel:
        return next(channel for channel in self._channels if channel.is_decoding)


def _speech(decided: list[tuple[float, bool]]) -> list[bool]:
    return [is_speech for _, is_speech in decided]
