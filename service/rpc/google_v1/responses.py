"""Results and events as Google writes them: durations, an utterance's text ready to be joined to the one before it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.duration_pb2 import Duration

from models.types import Alternative, Result, SpeechEventType
from service.rpc.google_v1.messages import (
    LongRunningRecognizeResponse,
    RecognizeResponse,
    SpeechRecognitionAlternative,
    SpeechRecognitionResult,
    StreamingRecognitionResult,
    StreamingRecognizeResponse,
    WordInfo,
)
from service.session import Update

_EVENTS = {
    SpeechEventType.SPEECH_BEGIN: StreamingRecognizeResponse.SPEECH_ACTIVITY_BEGIN,
    SpeechEventType.SPEECH_END: StreamingRecognizeResponse.SPEECH_ACTIVITY_END,
    SpeechEventType.NO_SPEECH_TIMEOUT: StreamingRecognizeResponse.SPEECH_ACTIVITY_TIMEOUT,
}
_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes the answers to one caller. language: of the model. request_id: as in the server's log."""

    has_times: bool
    has_confidences: bool
    is_single_utterance: bool
    language: str
    request_id: int

    @classmethod
    def of(cls, config: Any, *, language: str, request_id: int, is_single_utterance: bool = False) -> Writer:
        """config: the caller's RecognitionConfig."""
        times, confidences = config.enable_word_time_offsets, config.enable_word_confidence
        return cls(times, confidences, is_single_utterance, language, request_id)

    def streamed(self, update: Update) -> Iterator[Any]:
        """The StreamingRecognizeResponses, none or several, that tell a caller of an update."""
        if update.event is not None and update.event.type in _EVENTS:
            event = update.event
            yield StreamingRecognizeResponse(
                speech_event_type=_EVENTS[event.type],
                speech_event_time=duration(event.time_s),
                request_id=self.request_id,
            )
        for result in update.results:
            if result.is_final and self.is_single_utterance:
                yield StreamingRecognizeResponse(
                    speech_event_type=StreamingRecognizeResponse.END_OF_SINGLE_UTTERANCE,
                    speech_event_time=duration(result.end_s),
                    request_id=self.request_id,
                )
        if update.results:
            results = [
                StreamingRecognitionResult(
                    is_final=result.is_final,
                    stability=0.0 if result.is_final else result.stability,
                    **self._said(result),
                )
                for result in update.results
            ]
            yield StreamingRecognizeResponse(results=results, request_id=self.request_id)

    def recorded(self, results: Iterable[Result]) -> Any:
        """RecognizeResponse."""
        return RecognizeResponse(results=self._all(results), request_id=self.request_id)

    def long_running(self, results: Iterable[Result]) -> Any:
        """LongRunningRecognizeResponse."""
        return LongRunningRecognizeResponse(results=self._all(results), request_id=self.request_id)

    def _all(self, results: Iterable[Result]) -> list[Any]:
        return [SpeechRecognitionResult(**self._said(result)) for result in results]

    def _said(self, result: Result) -> dict[str, Any]:
        return {
            "alternatives": [self._alternative(own, is_first=not result.utterance) for own in result.alternatives],
            "channel_tag": result.channel_tag,
            "result_end_time": duration(result.end_s),
            "language_code": self.language.lower(),
        }

    def _alternative(self, alternative: Alternative, *, is_first: bool) -> Any:
        # Callers put the transcripts of a stream together without anything between them.
        transcript = alternative.transcript if is_first else " " + alternative.transcript
        words = [
            WordInfo(
                word=word.text,
                start_time=duration(word.start_s) if self.has_times else None,
                end_time=duration(word.end_s) if self.has_times else None,
                confidence=word.confidence if self.has_confidences else 0.0,
            )
            for word in alternative.words
        ]
        return SpeechRecognitionAlternative(transcript=transcript, confidence=alternative.confidence, words=words)


def duration(seconds: float) -> Duration:
    """To the microsecond."""
    whole, micros = divmod(round(seconds * _MICROSECONDS), _MICROSECONDS)
    return Duration(seconds=whole, nanos=micros * 1000)
