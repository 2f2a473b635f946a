"""One channel of a caller's audio and all that it has left behind: frames, utterances, acoustic state, interim text.

A Channel says what is to be computed next (`job`) and absorbs what came out; the computing is the Recognizer's, the
decoding of audio bytes the Stream's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from models.acoustic.state import STEP_FRAMES, AcousticState, ChunkShape
from models.activity import SpeechActivity
from models.blanks import BlankEndpointer
from models.decoding.confidence import calibrated
from models.decoding.interim import InterimSearch, InterimText
from models.endpointing import Endpointer, SpeechDetector
from models.features import FRAMES_PER_SECOND, LogMel, StreamingFeatures
from models.package import DecodingConfig
from models.types import Alternative, RecognitionOptions, Result, SpeechEvent, SpeechEventType
from models.vocabulary import BLANK


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


@dataclass(frozen=True, slots=True)
class ChannelParts:
    """What every channel of a stream is made with.

    interim: gives the search for the interim text of a new utterance. output_s: from one output of the acoustic model
    to the next.
    """

    log_mel: LogMel
    shape: ChunkShape
    interim: Callable[[], InterimSearch]
    initial_state: AcousticState
    tuning: DecodingConfig
    output_s: float


@dataclass(frozen=True, slots=True)
class Heard:
    """New frames [T, F], and the detector's level in dB and decision for each."""

    frames: Tensor
    decided: list[tuple[float, bool]]

    def first(self, count: int | None) -> Heard:
        """The first of them; None: all."""
        return Heard(self.frames[:count], self.decided[:count])


@dataclass(slots=True)
class _Utterance:
    """The utterance in progress.

    start_frame: in the stream. blanks: what finds its end in the outputs, if the caller wants that. search: for interim
    text, if the caller wants that. step: next one to compute. shown: its interim text so far. end: its length in
    frames, once known. log_probs: of the whole-utterance pass, once it has run.
    """

    number: int
    start_frame: int
    state: AcousticState
    endpointer: Endpointer
    blanks: BlankEndpointer | None
    search: InterimSearch | None
    step: int = 0
    shown: str = ""
    end: int | None = None
    log_probs: Tensor | None = None


class Channel:
    """Owned by one Stream. tag: in its results and events."""

    def __init__(self, options: RecognitionOptions, parts: ChannelParts, *, tag: int) -> None:
        self._options = options
        self._parts = parts
        self._tag = tag
        self._features = StreamingFeatures(parts.log_mel)
        self._detector = SpeechDetector(parts.log_mel.config)
        self._activity = SpeechActivity()
        self._events: list[SpeechEvent] = []
        self._decided: list[tuple[float, bool]] = []  # of the frames in _frames; the detector sees each frame once
        self._frames = torch.zeros(0, parts.log_mel.config.mel_bins)  # from the utterance's start on
        self._seen_frames = 0  # by _activity, in the stream
        self._recognized_frames = 0
        self._finished = False
        self._utterance = self._new_utterance(0, 0)
        self.has_single_utterance = False
        """Whether the only utterance that the caller wanted has been recognized."""

    @property
    def recognized_s(self) -> float:
        """Audio that the results so far take into account, in seconds."""
        return self._recognized_frames / FRAMES_PER_SECOND

    @property
    def is_ready(self) -> bool:
        """Whether the acoustic model has a job for this channel: `job`."""
        if self._utterance.end is not None:
            return self._utterance.log_probs is None
        return self._has_chunk()

    @property
    def is_ending(self) -> bool:
        """Whether that job is the whole-utterance pass."""
        return self._utterance.end is not None and not self.is_decoding

    @property
    def is_decoding(self) -> bool:
        """Whether an ended utterance waits for its beam search: `final_log_probs`."""
        return self._utterance.log_probs is not None

    @property
    def final_log_probs(self) -> Tensor:
        """[outputs, P] phones of the utterance that has ended; only while `is_decoding`."""
        assert self._utterance.log_probs is not None
        return self._utterance.log_probs

    @property
    def utterance_start_s(self) -> float:
        """Where the utterance in progress begins, in seconds of the stream."""
        return self._utterance.start_frame / FRAMES_PER_SECOND

    def hear(self, samples: Tensor) -> Heard:
        """[N] samples -> the frames that they complete, which `accept` then takes."""
        frames = self._features.accept(samples)
        return Heard(frames, self._detector.accept(frames))

    def accept(self, heard: Heard) -> None:
        """Takes the next frames; all of them, or the first where the stream ends in their middle."""
        if self.has_single_utterance or not heard.decided:
            return
        self._frames = torch.cat([self._frames, heard.frames])
        self._decided += heard.decided
        if self._utterance.end is None and self._utterance.blanks is None:
            self._find_end(heard.decided)

    def finish(self) -> None:
        """No more frames will come."""
        self._finished = True
        self._close_last_utterance()

    def take_events(self) -> list[SpeechEvent]:
        """What has happened since they were taken last, in the order in which it became known."""
        events, self._events = self._events, []
        return events

    def job(self) -> ChunkJob | FinalJob:
        """What to compute next; only while `is_ready`."""
        utterance, shape = self._utterance, self._parts.shape
        if utterance.end is not None:
            return FinalJob(self._frames[: utterance.end])
        start, stop = shape.window_of(utterance.step)
        window = F.pad(self._frames[max(start, 0) : stop], (0, 0, max(-start, 0), 0))
        return ChunkJob(window, utterance.state, shape)

    def absorb_chunk(self, log_probs: Tensor, state: AcousticState) -> list[Result]:
        """Takes a chunk's log probabilities [outputs, P] of phones and the state after it.

        Gives an interim result if the text is another one now.
        """
        utterance = self._utterance
        utterance.state = state
        utterance.step += self._parts.shape.chunk_steps
        self._recognized_frames = utterance.start_frame + utterance.step * STEP_FRAMES
        if utterance.blanks is not None:
            self._find_end_in(log_probs, utterance.blanks)
        if utterance.search is None:
            return []
        interim = utterance.search.accept(log_probs)
        is_nearly_over = utterance.blanks is not None and utterance.blanks.is_nearly_over
        if not interim.words or (interim.text == utterance.shown and not is_nearly_over):
            return []
        utterance.shown = interim.text
        return [self._interim_result(interim, is_nearly_over=is_nearly_over)]

    def absorb_final_pass(self, log_probs: Tensor) -> None:
        """Takes the whole-utterance pass's log probabilities [outputs, P] of phones."""
        self._utterance.log_probs = log_probs

    def absorb_readings(self, alternatives: tuple[Alternative, ...]) -> list[Result]:
        """Takes the readings of the utterance that just ended; gives the final result, if anything was said."""
        utterance = self._utterance
        assert utterance.end is not None
        spoken = bool(alternatives) and bool(alternatives[0].transcript)
        results = [self._final_result(alternatives, utterance.end)] if spoken else []
        self._recognized_frames = utterance.start_frame + utterance.end
        self._frames = self._frames[utterance.end :].clone()
        self._decided = self._decided[utterance.end :]
        self._utterance = self._new_utterance(utterance.number + spoken, self._recognized_frames)
        if spoken and self._options.endpointing.single_utterance:
            self.has_single_utterance = True
            self._frames, self._decided = self._frames[:0], []
            return results
        if self._utterance.blanks is None:
            self._find_end(self._decided)
        self._close_last_utterance()
        return results

    def _find_end_in(self, log_probs: Tensor, blanks: BlankEndpointer) -> None:
        """Looks for the end in the outputs of the chunk that has just been absorbed."""
        utterance = self._utterance
        first_frame = utterance.endpointer.frames
        outputs = blanks.accept((log_probs.argmax(dim=-1) == BLANK).tolist())
        last_frame = utterance.step * STEP_FRAMES
        if outputs is not None:
            last_frame = first_frame + round(outputs * blanks.output_s * FRAMES_PER_SECOND)
        self._find_end(self._decided[first_frame:last_frame])
        if utterance.end is None and outputs is not None:
            utterance.end = last_frame
            self._note_end_of_utterance()

    def _find_end(self, decided: list[tuple[float, bool]]) -> None:
        utterance = self._utterance
        utterance.end = utterance.endpointer.accept(decided)
        # Events come in the order of the audio: those after the end wait until the utterance has been recognized.
        unseen = slice(self._seen_frames - utterance.start_frame, utterance.endpointer.frames)
        self._note(self._activity.accept([is_speech for _, is_speech in self._decided[unseen]]))
        self._seen_frames = max(self._seen_frames, utterance.start_frame + utterance.endpointer.frames)
        if utterance.end is not None:
            self._note_end_of_utterance()

    def _close_last_utterance(self) -> None:
        if not self._finished or self._utterance.end is not None:
            return
        if self._utterance.blanks is not None:
            self._find_end(self._decided[self._utterance.endpointer.frames :])
            if self._utterance.end is not None:
                return
        self._note(self._activity.finish())
        if len(self._frames):
            self._utterance.end = len(self._frames)
            self._note_end_of_utterance()

    def _note_end_of_utterance(self) -> None:
        utterance = self._utterance
        if utterance.endpointer.has_heard_speech:
            assert utterance.end is not None
            self._note([(SpeechEventType.END_OF_UTTERANCE, utterance.start_frame + utterance.end)])

    def _note(self, changes: Iterable[tuple[SpeechEventType, int]]) -> None:
        if self._options.speech_events:
            self._events += (SpeechEvent(kind, frame / FRAMES_PER_SECOND, self._tag) for kind, frame in changes)

    def _has_chunk(self) -> bool:
        if self._finished or not (self._options.interim or self._utterance.blanks):
            return False
        _, stop = self._parts.shape.window_of(self._utterance.step)
        return stop <= len(self._frames)

    def _new_utterance(self, number: int, start_frame: int) -> _Utterance:
        options = self._options.endpointing
        blanks = None if options.blanks is None else BlankEndpointer(options.blanks, self._parts.output_s)
        search = self._parts.interim() if self._options.interim else None
        return _Utterance(number, start_frame, self._parts.initial_state, Endpointer(options), blanks, search)

    def _interim_result(self, interim: InterimText, *, is_nearly_over: bool) -> Result:
        utterance, tuning = self._utterance, self._parts.tuning
        stability = calibrated(interim.log_prob, tuning.stability_scale, tuning.stability_offset)
        return Result(
            alternatives=(Alternative(interim.text),),
            is_final=False,
            start_s=utterance.start_frame / FRAMES_PER_SECOND,
            end_s=self._recognized_frames / FRAMES_PER_SECOND,
            utterance=utterance.number,
            stability=1.0 if is_nearly_over else stability,
            channel_tag=self._tag,
            committed_chars=interim.committed_chars,
        )

    def _final_result(self, alternatives: tuple[Alternative, ...], end_frame: int) -> Result:
        start = self._utterance.start_frame
        return Result(
            alternatives=alternatives,
            is_final=True,
            start_s=start / FRAMES_PER_SECOND,
            end_s=(start + end_frame) / FRAMES_PER_SECOND,
            utterance=self._utterance.number,
            stability=1.0,
            channel_tag=self._tag,
        )
