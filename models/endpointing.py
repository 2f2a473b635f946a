"""When an utterance ends. Looks at feature frames only, never at the acoustic model's output.

So the borders of utterances, and with them the final text, depend on the audio alone: not on latency, packets or load.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from models.features import FRAMES_PER_SECOND, FeatureConfig
from models.types import EndpointingOptions

_DB_PER_NEPER = 4.342944819  # log-mel frames hold natural logarithms of power


@dataclass(frozen=True, slots=True)
class DetectorConfig:
    """Energy detector: speech is what rises above a slowly adapting noise floor. Levels in dB, rates in dB a frame.

    The floor falls quickly to a quieter level and climbs slowly through a louder one. It begins at the first frame, but
    not above `first_floor_db`: a caller may begin in the middle of a word.
    """

    first_floor_db: float = -30.0

    above_floor_db: float = 8.0
    below_peak_db: float = 30.0
    fall: float = 0.2
    climb_db: float = 0.03
    peak_decay_db: float = 0.02
    smoothing: float = 0.3


@dataclass(frozen=True, slots=True)
class EndpointRule:
    """An utterance ends when all three hold (the form of Kaldi's rules: Povey et al.)."""

    must_contain_speech: bool
    min_trailing_silence_s: float
    min_utterance_s: float


def rules_of(options: EndpointingOptions) -> tuple[EndpointRule, ...]:
    """The rules for one caller's options; `max_utterance_s` is not a rule, as it cuts in the past (`best_pause`)."""
    # Nobody has said anything: begin anew before the silence costs a long final pass.
    nobody = EndpointRule(must_contain_speech=False, min_trailing_silence_s=5.0, min_utterance_s=0.0)
    if options.blanks is not None:
        return (nobody,)
    # Somebody has said something and has stopped.
    stopped = EndpointRule(must_contain_speech=True, min_trailing_silence_s=options.end_silence_s, min_utterance_s=0.0)
    return nobody, stopped


class SpeechDetector:
    """One stream's frames -> level in dB and speech or not, frame by frame and without future audio."""

    def __init__(self, features: FeatureConfig, config: DetectorConfig = DetectorConfig()) -> None:
        self._config = config
        self._mean = torch.tensor(features.mean or 0.0)
        self._scale = torch.tensor(features.scale or 1.0)
        self._smooth: float | None = None
        self._floor = self._peak = 0.0

    def accept(self, frames: Tensor) -> list[tuple[float, bool]]:
        """[T, F] normalized frames -> T pairs (smoothed level in dB, is speech)."""
        config = self._config
        decided = []
        for level in self._levels_db(frames):
            if self._smooth is None:
                self._smooth = self._peak = level
                self._floor = min(level, config.first_floor_db)
            self._smooth += config.smoothing * (level - self._smooth)
            if self._smooth < self._floor:
                self._floor += config.fall * (self._smooth - self._floor)
            else:
                self._floor += min(config.climb_db, self._smooth - self._floor)
            self._peak = max(self._smooth, self._peak - config.peak_decay_db)
            threshold = max(self._floor + config.above_floor_db, self._peak - config.below_peak_db)
            decided.append((self._smooth, self._smooth > threshold))
        return decided

    def _levels_db(self, frames: Tensor) -> list[float]:
        log_mel = frames / self._scale + self._mean
        levels: list[float] = (log_mel.double().mean(dim=-1) * _DB_PER_NEPER).tolist()
        return levels


@dataclass(slots=True)
class Endpointer:
    """Frames of one utterance in, its end out: a number of frames from its beginning, once it is known."""

    options: EndpointingOptions
    _rules: tuple[EndpointRule, ...] = field(init=False)
    _levels: list[float] = field(default_factory=list)
    _speech: list[bool] = field(default_factory=list)
    _trailing: int = 0
    _heard: bool = False

    def __post_init__(self) -> None:
        self._rules = rules_of(self.options)

    @property
    def frames(self) -> int:
        """How many frames it has taken."""
        return len(self._levels)

    @property
    def has_heard_speech(self) -> bool:
        """Whether any frame so far was speech."""
        return self._heard

    def accept(self, decided: list[tuple[float, bool]]) -> int | None:
        """Takes frames of the detector up to the first that ends the utterance; None while it goes on."""
        for level, is_speech in decided:
            self._levels.append(level)
            self._speech.append(is_speech)
            self._heard = self._heard or is_speech
            self._trailing = 0 if is_speech else self._trailing + 1
            end = self._end()
            if end is not None:
                return end
        return None

    def _end(self) -> int | None:
        length = len(self._levels)
        for rule in self._rules:
            if (
                self._heard == rule.must_contain_speech
                and self._trailing >= rule.min_trailing_silence_s * FRAMES_PER_SECOND
                and length >= rule.min_utterance_s * FRAMES_PER_SECOND
            ):
                return length
        if length >= self.options.max_utterance_s * FRAMES_PER_SECOND:
            return best_pause(self._levels)
        return None


def best_pause(levels: list[float]) -> int:
    """Where to cut an utterance that outgrew its limit: the middle of the quietest 0.2 s in its second half."""
    window = FRAMES_PER_SECOND // 5
    start = max(1, len(levels) // 2)
    sums = sum(levels[start : start + window])
    best, best_at = sums, start
    for at in range(start + 1, len(levels) - window + 1):
        sums += levels[at + window - 1] - levels[at - 1]
        if sums < best:
            best, best_at = sums, at
    return best_at + window // 2
