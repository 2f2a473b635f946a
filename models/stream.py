"""One caller's audio and all that it has left behind: samples, frames, utterance borders, acoustic state, interim text.

A Stream says what is to be computed next (`job`) and absorbs what came out; the computing is the Recognizer's.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from models.acoustic.state import STEP_FRAMES, AcousticState, ChunkShape
from models.audio import AudioDecoder
from models.decoding.greedy import greedy_ids
from models.endpointing import Endpointer, SpeechDetector
from models.features import FRAMES_PER_SECOND, SAMPLE_RATE_HZ, LogMel, StreamingFeatures
from models.types import Alternative, AudioFormat, RecognitionOptions, Result
from models.vocabulary import BLANK, Vocabulary


@dataclass(frozen=True, slots=True)
class ChunkJob:
    """One chunk of the latency-controlled pass. window: [shape.window_frames, F]."""

    window: Tensor
    state: AcousticState
    shape: ChunkShape


@dataclass(frozen=True, slots=True)
class FinalJob:
    """A whole utterance, to be recognized with full context both ways. frames: [T, F]."""

    frames: Tensor


@dataclass(slots=True)
class _Utterance:
    """The utterance in progress.

    start_frame: in the stream. step: next one to compute. ids: greedy symbols so far. end: its length in frames, once
    known. log_probs: of the whole-utterance pass, once it has run.
    """

    number: int
    start_frame: int
    state: AcousticState
    endpointer: Endpointer
    step: int = 0
    ids: list[int] = field(default_factory=list)
    last_symbol: int = BLANK
    end: int | None = None
    log_probs: Tensor | None = None


class Stream:
    """Owned by one caller; `accept`/`finish` and the Recognizer's `advance` alternate, never at the same time."""

    def __init__(
        self,
        audio: AudioFormat,
        options: RecognitionOptions,
        *,
        log_mel: LogMel,
        shape: ChunkShape,
        vocabulary: Vocabulary,
        initial_state: AcousticState,
    ) -> None:
        self._options = options
        self._shape = shape
        self._vocabulary = vocabulary
        self._initial_state = initial_state
        self._decoder = AudioDecoder(audio)
        self._features = StreamingFeatures(log_mel)
        self._detector = SpeechDetector(log_mel.config)
        self._decided: list[tuple[float, bool]] = []  # of the frames in _frames; the detector sees each frame once
        self._frames = torch.zeros(0, log_mel.config.mel_bins)  # from the utterance's start on
        self._samples = 0
        self._recognized_frames = 0
        self._finished = False
        self._utterance = self._new_utterance(0, 0)

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
        return self._recognized_frames / FRAMES_PER_SECOND

    @property
    def is_ready(self) -> bool:
        """Whether the acoustic model has a job for this stream: `job`."""
        if self._utterance.end is not None:
            return self._utterance.log_probs is None
        return self._has_chunk()

    @property
    def is_decoding(self) -> bool:
        """Whether an ended utterance waits for its beam search: `final_log_probs`."""
        return self._utterance.log_probs is not None

    @property
    def final_log_probs(self) -> Tensor:
        """[outputs, P] phones of the utterance that has ended; only while `is_decoding`."""
        assert self._utterance.log_probs is not None
        return self._utterance.log_probs

    def accept(self, data: bytes) -> None:
        """Takes the next bytes of audio. Raises InvalidAudio."""
        self._take(self._decoder.accept(data))

    def finish(self) -> None:
        """No more audio will come. Raises InvalidAudio when the audio breaks off in the middle of a sample."""
        self._take(self._decoder.finish())
        self._finished = True
        self._close_last_utterance()

    def job(self) -> ChunkJob | FinalJob:
        """What to compute next; only while `is_ready`."""
        utterance = self._utterance
        if utterance.end is not None:
            return FinalJob(self._frames[: utterance.end])
        start, stop = self._shape.window_of(utterance.step)
        window = F.pad(self._frames[max(start, 0) : stop], (0, 0, max(-start, 0), 0))
        return ChunkJob(window, utterance.state, self._shape)

    def absorb_chunk(self, log_probs: Tensor, state: AcousticState) -> list[Result]:
        """Takes a chunk's log probabilities [outputs, V] and the state after it; an interim result if the text grew."""
        utterance = self._utterance
        new = [symbol for _, symbol in greedy_ids(log_probs, utterance.last_symbol)]
        utterance.last_symbol = int(log_probs[-1].argmax())
        utterance.ids += new
        utterance.state = state
        utterance.step += self._shape.chunk_steps
        self._recognized_frames = utterance.start_frame + utterance.step * STEP_FRAMES
        if not new:
            return []
        text = self._vocabulary.decode(utterance.ids)
        return [self._result((Alternative(text),), is_final=False, end_frame=utterance.step * STEP_FRAMES)]

    def absorb_final_pass(self, log_probs: Tensor) -> None:
        """Takes the whole-utterance pass's log probabilities [outputs, P] of phones."""
        self._utterance.log_probs = log_probs

    def absorb_readings(self, alternatives: tuple[Alternative, ...]) -> list[Result]:
        """Takes the readings of the utterance that just ended; gives the final result, if anything was said."""
        utterance = self._utterance
        assert utterance.end is not None
        spoken = bool(alternatives) and bool(alternatives[0].transcript)
        results = [self._result(alternatives, is_final=True, end_frame=utterance.end)] if spoken else []
        self._recognized_frames = utterance.start_frame + utterance.end
        self._frames = self._frames[utterance.end :].clone()
        self._decided = self._decided[utterance.end :]
        self._utterance = self._new_utterance(utterance.number + spoken, self._recognized_frames)
        self._utterance.end = self._utterance.endpointer.accept(self._decided)
        self._close_last_utterance()
        return results

    def utterance_start_s(self) -> float:
        """Where the utterance in progress begins, in seconds of the stream."""
        return self._utterance.start_frame / FRAMES_PER_SECOND

    def _take(self, samples: Tensor) -> None:
        self._samples += len(samples)
        frames = self._features.accept(samples)
        if not len(frames):
            return
        self._frames = torch.cat([self._frames, frames])
        decided = self._detector.accept(frames)
        self._decided += decided
        if self._utterance.end is None:
            self._utterance.end = self._utterance.endpointer.accept(decided)

    def _close_last_utterance(self) -> None:
        if self._finished and self._utterance.end is None and len(self._frames):
            self._utterance.end = len(self._frames)

    def _has_chunk(self) -> bool:
        if not self._options.interim or self._finished:
            return False
        _, stop = self._shape.window_of(self._utterance.step)
        return stop <= len(self._frames)

    def _new_utterance(self, number: int, start_frame: int) -> _Utterance:
        return _Utterance(number, start_frame, self._initial_state, Endpointer(self._options.endpointing))

    def _result(self, alternatives: tuple[Alternative, ...], *, is_final: bool, end_frame: int) -> Result:
        start = self._utterance.start_frame
        return Result(
            alternatives=alternatives,
            is_final=is_final,
            start_s=start / FRAMES_PER_SECOND,
            end_s=(start + end_frame) / FRAMES_PER_SECOND,
            utterance=self._utterance.number,
            stability=1.0 if is_final else _INTERIM_STABILITY,
        )


# Interim text is only ever appended to until the final pass; how much of it that pass keeps is not estimated.
_INTERIM_STABILITY = 0.5
