"""When somebody begins and stops to speak, and when nobody has for too long. Looks at the detector's decisions only.

Where an utterance ends is `endpointing.py`'s: it takes longer pauses than these, as its caller wishes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from models.features import FRAMES_PER_SECOND
from models.types import SpeechEventType

_BEGIN_FRAMES = FRAMES_PER_SECOND // 10  # of unbroken speech: shorter sounds are clicks
_END_FRAMES = 3 * FRAMES_PER_SECOND // 10  # without speech: shorter pauses are those between words


class SpeechActivity:
    """Decisions of one channel, frame by frame -> its changes between speech and silence. Begins in silence."""

    def __init__(self) -> None:
        self.is_active = False
        self._frame = 0  # the next one
        self._run = 0  # frames of the other kind, up to now
        self._quiet_since = 0

    @property
    def quiet_frames(self) -> int:
        """For how long nobody has spoken: frames since the speech ended, or since the beginning."""
        return 0 if self.is_active else self._frame - self._quiet_since

    @property
    def has_begun(self) -> bool:
        """Whether anybody has spoken yet."""
        return self.is_active or self._quiet_since > 0

    def accept(self, is_speech: Sequence[bool]) -> list[tuple[SpeechEventType, int]]:
        """The changes that these frames make known, each with the frame at which it happened."""
        return [change for decision in is_speech if (change := self._step(decision)) is not None]

    def finish(self) -> list[tuple[SpeechEventType, int]]:
        """The audio has ended, and with it speech that was going on."""
        if not self.is_active:
            return []
        return [self._change(self._frame - self._run)]

    def _step(self, is_speech: bool) -> tuple[SpeechEventType, int] | None:
        self._frame += 1
        self._run = self._run + 1 if is_speech != self.is_active else 0
        if self._run < (_END_FRAMES if self.is_active else _BEGIN_FRAMES):
            return None
        return self._change(self._frame - self._run)

    def _change(self, frame: int) -> tuple[SpeechEventType, int]:
        self.is_active = not self.is_active
        self._run = 0
        if self.is_active:
            return SpeechEventType.SPEECH_BEGIN, frame
        self._quiet_since = frame
        return SpeechEventType.SPEECH_END, frame


class NoSpeechTimer:
    """Says when nobody has spoken for too long, whatever the number of channels."""

    def __init__(self, start_s: float | None, end_s: float | None) -> None:
        """start_s: until somebody begins. end_s: after somebody has spoken. None: for ever."""
        self._start_frames, self._end_frames = _frames_of(start_s), _frames_of(end_s)
        self._activity = SpeechActivity()

    def accept(self, channels: Sequence[Sequence[bool]]) -> int | None:
        """The next frames of all channels, equally many -> how many of them are left when time is up; None: all."""
        for number, decisions in enumerate(zip(*channels, strict=True), start=1):
            self._activity.accept([any(decisions)])
            limit = self._end_frames if self._activity.has_begun else self._start_frames
            if self._activity.quiet_frames >= limit:
                return number
        return None


def _frames_of(timeout_s: float | None) -> float:
    return math.inf if timeout_s is None else round(timeout_s * FRAMES_PER_SECOND)
