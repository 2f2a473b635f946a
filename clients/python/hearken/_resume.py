"""A stream that goes on over several connections: one unbroken series of responses, made of those of each."""

from __future__ import annotations

from collections import defaultdict

from hearken._audio import AudioFormat
from hearken._errors import ConnectionFailed, HearkenError
from hearken._options import Encoding
from hearken._reconnect import Attempts, Reconnect
from hearken._replay import ReplayBuffer
from hearken._request import Request
from hearken.v1 import speech_pb2 as pb


class Resumption:
    """All that one stream remembers in order to go on. Who waits, with a thread or a task, is left to others.

    Where channels are recognized separately each goes on from its own last final result; see ReplayBuffer.
    """

    def __init__(self, request: Request, reconnect: Reconnect | None, timeout_s: float | None) -> None:
        config = request.config.config
        self.replay = ReplayBuffer(
            _format_of(config.audio),
            reconnect.buffer_bytes if reconnect else 0,
            tracks=config.audio.channels or 1 if config.audio.separate_channels else 1,
        )
        self._attempts = Attempts(reconnect, timeout_s)
        self._reconnects = reconnect is not None
        self._ends_with_utterance = config.endpointing.single_utterance
        self._has_ended = False
        self._is_resumed = False
        self._is_behind = False
        self._shift_s = 0.0
        # Of each channel_tag; those that are not recognized separately have the tag 0.
        self._next_utterance: defaultdict[int, int] = defaultdict(int)
        self._shift_utterances: dict[int, int] = {}
        self._ended_s: defaultdict[int, float] = defaultdict(float)
        self._last_event: dict[int, pb.SpeechEvent] = {}
        self._received_s = self._recognized_s = 0.0
        self._model = self._stream_id = ""

    @property
    def is_complete(self) -> bool:
        """Whether there is nothing left to ask a server for."""
        return self._has_ended or self.replay.is_settled

    def begin(self) -> float | None:
        """Another attempt, from the end of the last final result on; gives the time that is left for it."""
        if self._reconnects:
            self.replay.rewind()
        self._shift_s = self.replay.settled_s
        self._shift_utterances = dict(self._next_utterance)
        return self._attempts.begin()

    def accept(self, response: pb.StreamingRecognizeResponse) -> None:
        """Makes a response of this connection one of the whole stream, in place."""
        if response.model:
            self._model, self._stream_id = response.model, response.stream_id
        else:  # only the first response of a connection says it
            response.model, response.stream_id = self._model, self._stream_id
        if self._is_resumed:
            self._fit(response)
        if response.HasField("clock"):
            clock = response.clock
            self._received_s = clock.received_s = max(self._received_s, clock.received_s)
            self._recognized_s = clock.recognized_s = max(self._recognized_s, clock.recognized_s)
        if response.HasField("event"):
            self._accept_event(response)
        for result in response.results[:]:  # as in `_wire.results_of`
            self._attempts.went_on()
            if result.is_final:
                self._ended_s[result.channel_tag] = result.end_s
                self._next_utterance[result.channel_tag] = result.utterance + 1
                self._has_ended = self._has_ended or self._ends_with_utterance
                self.replay.settle(result.end_s, max(0, result.channel_tag - 1))

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
        self._is_resumed = self._is_behind = True
        return delay_s

    def _fit(self, response: pb.StreamingRecognizeResponse) -> None:
        """Makes a response of a further connection one that follows those of the connections before it."""
        self._shift(response)
        if self._is_behind:
            self._catch_up(response)
        for result in response.results:
            # Where this channel was ahead of others, it was sent silence until here.
            result.start_s = max(result.start_s, self._ended_s[result.channel_tag])

    def _catch_up(self, response: pb.StreamingRecognizeResponse) -> None:
        """Takes out interim text that was shown before the connection was lost."""
        if response.clock.recognized_s < self._recognized_s:
            _drop_interim_results(response)
        elif response.results:
            self._is_behind = False

    def _shift(self, response: pb.StreamingRecognizeResponse) -> None:
        """Moves all times and utterance numbers from this connection's to the whole stream's."""
        if response.HasField("clock"):
            response.clock.received_s += self._shift_s
            response.clock.recognized_s += self._shift_s
        if response.HasField("event"):
            response.event.time_s += self._shift_s
        for result in response.results:
            result.start_s += self._shift_s
            result.end_s += self._shift_s
            result.utterance += self._shift_utterances.get(result.channel_tag, 0)
            for alternative in result.alternatives:
                for word in alternative.words:
                    word.start_s += self._shift_s
                    word.end_s += self._shift_s

    def _accept_event(self, response: pb.StreamingRecognizeResponse) -> None:
        """Takes note of an event, and out what a server says again about audio that was sent again."""
        event, last = response.event, self._last_event.get(response.event.channel_tag)
        is_told = last is not None and (event.time_s < last.time_s or event.type == last.type)
        if self._is_behind and is_told:
            response.ClearField("event")
            return
        self._last_event[event.channel_tag] = pb.SpeechEvent.FromString(event.SerializeToString())
        self._has_ended = self._has_ended or event.type == pb.SpeechEvent.NO_SPEECH_TIMEOUT


def _drop_interim_results(response: pb.StreamingRecognizeResponse) -> None:
    final = [result for result in response.results if result.is_final]
    del response.results[:]
    response.results.extend(final)


def _format_of(audio: pb.AudioConfig) -> AudioFormat:
    if audio.encoding == pb.AudioConfig.ENCODING_UNSPECIFIED or not audio.sample_rate_hz:
        return AudioFormat()
    encoding = Encoding(pb.AudioConfig.Encoding.Name(audio.encoding))
    if encoding.is_compressed:
        return AudioFormat()
    return AudioFormat(encoding, audio.sample_rate_hz, audio.channels or None)
