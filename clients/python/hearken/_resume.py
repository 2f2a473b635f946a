"""A stream that goes on over several connections: one unbroken series of responses, made of those of each."""

from __future__ import annotations

from hearken import _wire
from hearken._audio import AudioFormat
from hearken._errors import ConnectionFailed, HearkenError
from hearken._options import Encoding
from hearken._reconnect import Attempts, Reconnect
from hearken._replay import ReplayBuffer
from hearken._request import Request
from hearken.v1 import speech_pb2 as pb


class Resumption:
    """All that one stream remembers in order to go on. Who waits, with a thread or a task, is left to others."""

    def __init__(self, request: Request, reconnect: Reconnect | None, timeout_s: float | None) -> None:
        self.replay = ReplayBuffer(_format_of(request.config), reconnect.buffer_bytes if reconnect else 0)
        self._attempts = Attempts(reconnect, timeout_s)
        self._reconnects = reconnect is not None
        self._shift_s = 0.0
        self._shift_utterances = self._next_utterance = 0
        self._received_s = self._recognized_s = 0.0
        self._is_behind = False

    def begin(self) -> float | None:
        """Another attempt, from the end of the last final result on; gives the time that is left for it."""
        if self._reconnects:
            self.replay.rewind()
        self._shift_s = self.replay.settled_s
        self._shift_utterances = self._next_utterance
        return self._attempts.begin()

    def accept(self, response: pb.StreamingRecognizeResponse) -> None:
        """Makes a response of this connection one of the whole stream, in place."""
        _wire.shift(response, self._shift_s, self._shift_utterances)
        if self._is_behind and response.clock.recognized_s < self._recognized_s:
            _wire.drop_interim_results(response)
        elif response.results:
            self._is_behind = False
        if response.HasField("clock"):
            self._received_s = response.clock.received_s = max(self._received_s, response.clock.received_s)
            self._recognized_s = response.clock.recognized_s = max(self._recognized_s, response.clock.recognized_s)
        for result in response.results:
            self._attempts.went_on()
            if result.is_final:
                self._next_utterance = result.utterance + 1
                self.replay.settle(result.end_s)

    def delay_s(self, error: HearkenError) -> float:
        """How long to wait before the next attempt; raises the error, or what says more, if there is none."""
        delay_s = self._attempts.delay_s(error)
        if not self.replay.can_rewind:
            reason = (
                "more audio than is kept had come since the last final result; raise Reconnect.buffer_bytes"
                if self.replay.is_seekable
                else "audio with a header cannot be continued in its middle; stream the file's path or an AudioFile"
            )
            lost = ConnectionFailed(f"{error}; the stream could not go on, because {reason}")
            lost.status = error.status
            raise lost from error
        self._is_behind = True
        return delay_s


def _format_of(config: pb.StreamingRecognizeRequest) -> AudioFormat:
    audio = config.config.audio
    if not audio.sample_rate_hz or audio.encoding == pb.AudioConfig.ENCODING_UNSPECIFIED:
        return AudioFormat()
    encoding = Encoding(pb.AudioConfig.Encoding.Name(audio.encoding))
    return AudioFormat(encoding, audio.sample_rate_hz, audio.channels or None)
