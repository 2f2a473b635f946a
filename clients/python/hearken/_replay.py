"""The audio of one stream on its way: what is still to be sent, and what may have to be sent again.

Knows neither threads nor tasks nor the network. Positions are bytes from the first byte of the stream.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from hearken import _wav
from hearken._audio import MESSAGE_LIMIT_BYTES, AudioFormat
from hearken._options import Encoding


class ReplayBuffer:
    """Takes audio at its end, gives it to be sent, and keeps what was sent until `settle` says that it is done with.

    Audio that is still to be sent is never dropped. If all there is outgrows the limit, the oldest that was sent is; if
    that is needed again, `can_rewind` says no.

    tracks: how many parts of the audio are settled each by itself: the channels, or 1 for all of them together. What is
    sent again begins where the least settled track ends; until their own ends the others are silent in it.
    """

    def __init__(
        self,
        audio_format: AudioFormat,
        limit_bytes: int,
        clock: Callable[[], float] = time.monotonic,
        *,
        tracks: int = 1,
    ) -> None:
        self._format = audio_format
        self._limit_bytes = limit_bytes
        self._clock = clock
        self._began_s = clock()
        # In pieces, which are not copied: those sent and not settled, from _start, and those to be sent, from _next.
        self._sent: deque[bytes] = deque()
        self._unsent: deque[bytes] = deque()
        self._start = self._next = self._end = 0
        self._tracks = tracks
        self._settled_of_tracks = [0] * tracks
        self._head = b""
        self._has_header = audio_format.sample_rate_hz is None
        self.is_finished = False

    @property
    def wants_more(self) -> bool:
        """Whether it is time to read on: as fast as the audio is sent, and not slower than it is spoken.

        The latter so that nothing of a microphone is lost while there is no connection.
        """
        if self._end - self._next < MESSAGE_LIMIT_BYTES:
            return True
        read_s = self.audio_s
        return (
            read_s is not None
            and read_s <= self._clock() - self._began_s
            and self._end - self._start < self._limit_bytes
        )

    @property
    def has_unsent(self) -> bool:
        """Whether `take` gives something."""
        return self._next < self._end

    @property
    def is_settled(self) -> bool:
        """Whether all audio that there was, and will be, is done with."""
        return self.is_finished and self._settled == self._end

    @property
    def is_seekable(self) -> bool:
        """Whether a server understands this audio from the middle on: not if it has a header."""
        return not self._has_header

    @property
    def can_rewind(self) -> bool:
        """Whether all audio that is not settled is still here."""
        return self.is_seekable and self._start <= self._settled

    @property
    def settled_s(self) -> float:
        """How much audio is done with."""
        return self._seconds(self._settled)

    @property
    def audio_s(self) -> float | None:
        """How much audio there was so far; None if only the server can tell."""
        return None if self._has_header else self._seconds(self._end)

    def append(self, audio: bytes) -> None:
        """Takes the next audio of the stream."""
        if len(self._head) < _wav.RIFF_BYTES:
            self._head += audio[: _wav.RIFF_BYTES - len(self._head)]
            self._has_header = self._has_header or _wav.is_wav(self._head)
        if audio:
            self._unsent.append(audio)
        self._end += len(audio)
        if self._end - self._start > self._limit_bytes:
            self._drop()

    def finish(self) -> None:
        """There will be no more audio."""
        self.is_finished = True

    def take(self) -> bytes:
        """The next message to be sent; empty if there is none."""
        if not self._unsent:
            return b""
        audio = self._unsent.popleft()
        if self._unsent:
            audio = self._joined(audio)
        if len(audio) > MESSAGE_LIMIT_BYTES:
            self._unsent.appendleft(audio[MESSAGE_LIMIT_BYTES:])
            audio = audio[:MESSAGE_LIMIT_BYTES]
        message = self._silenced(audio) if self._tracks > 1 and max(self._settled_of_tracks) > self._next else audio
        self._sent.append(audio)
        self._next += len(audio)
        if self._has_header or self._end - self._start > self._limit_bytes:
            self._drop()
        return message

    def settle(self, time_s: float, track: int = 0) -> None:
        """The audio of a track before this time is not needed again."""
        if self.is_seekable and track < len(self._settled_of_tracks):
            position = round(time_s * self._sample_rate_hz) * self._format.frame_bytes
            self._settled_of_tracks[track] = max(self._settled_of_tracks[track], min(position, self._next))
            self._drop()

    def rewind(self) -> None:
        """Begins to give what is not settled from its beginning; only if `can_rewind`."""
        again = b"".join(self._sent)[self._settled - self._start :]
        self._sent.clear()
        if again:
            self._unsent.appendleft(again)
        self._start = self._next = self._settled

    @property
    def _settled(self) -> int:
        return min(self._settled_of_tracks)

    @property
    def _sample_rate_hz(self) -> int:
        return self._format.sample_rate_hz or 0

    def _seconds(self, position: int) -> float:
        return position / self._format.frame_bytes / self._sample_rate_hz if position else 0.0

    def _joined(self, audio: bytes) -> bytes:
        """With what follows, as far as a message may hold it."""
        parts, size = [audio], len(audio)
        while self._unsent and size + len(self._unsent[0]) <= MESSAGE_LIMIT_BYTES:
            parts.append(self._unsent.popleft())
            size += len(parts[-1])
        return b"".join(parts)

    def _silenced(self, audio: bytes) -> bytes:
        """Audio that begins at `_next`, silent where tracks are settled, of which not all are."""
        changed = bytearray(audio)
        silence = (self._format.encoding or Encoding.LINEAR16).silence
        for track, settled in enumerate(self._settled_of_tracks):
            end = max(0, min(len(changed), settled - self._next))
            for i, value in enumerate(silence):
                first = (track * len(silence) + i - self._next) % self._format.frame_bytes
                places = slice(first, end, self._format.frame_bytes)
                changed[places] = bytes([value]) * len(range(*places.indices(len(changed))))
        return bytes(changed)

    def _drop(self) -> None:
        """Forgets pieces that are settled, and the oldest where there are too many."""
        settled = self._settled if self.is_seekable else self._next
        surplus = self._end - self._limit_bytes
        while self._sent and (self._start + len(self._sent[0]) <= settled or self._start < surplus):
            self._start += len(self._sent.popleft())
