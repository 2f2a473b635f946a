"""Results as Riva writes them: milliseconds, final texts with a space at their end, the caller's request id."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from models.types import Alternative, Result
from service.engine import Recognizer
from service.rpc.riva.messages import (
    ConfigResponse,
    RecognizeResponse,
    SpeechRecognitionAlternative,
    SpeechRecognitionResult,
    StreamingRecognitionResult,
    StreamingRecognizeResponse,
    WordInfo,
)
from service.session import Update

_TYPES = ("online", "offline")
"""How clients ask for models: for StreamingRecognize, or for Recognize. Ours are for both."""


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes the answers to one caller. request_id: the caller's own RequestId. language: of the model."""

    request_id: Any
    language: str

    def streamed(self, update: Update) -> Iterator[Any]:
        """The StreamingRecognizeResponse, if there is anything to say."""
        if update.results:
            results = [
                StreamingRecognitionResult(
                    alternatives=self._alternatives(result),
                    is_final=result.is_final,
                    stability=1.0 if result.is_final else result.stability,
                    channel_tag=result.channel_tag,
                    audio_processed=update.recognized_s,
                )
                for result in update.results
            ]
            yield StreamingRecognizeResponse(results=results, id=self.request_id)

    def recorded(self, results: Iterable[Result], audio_s: float) -> Any:
        """RecognizeResponse."""
        written = [
            SpeechRecognitionResult(
                alternatives=self._alternatives(result), channel_tag=result.channel_tag, audio_processed=audio_s
            )
            for result in results
        ]
        return RecognizeResponse(results=written, id=self.request_id)

    def _alternatives(self, result: Result) -> list[Any]:
        return [self._alternative(own, result.is_final) for own in result.alternatives]

    def _alternative(self, alternative: Alternative, is_final: bool) -> Any:
        # Callers put the final transcripts of a stream together without anything between them.
        transcript = alternative.transcript + " " if is_final else alternative.transcript
        words = [
            WordInfo(
                word=word.text,
                start_time=round(word.start_s * 1000),
                end_time=round(word.end_s * 1000),
                confidence=word.confidence,
            )
            for word in alternative.words
        ]
        return SpeechRecognitionAlternative(transcript=transcript, confidence=alternative.confidence, words=words)


def described(recognizers: Iterable[Recognizer[Any]]) -> Any:
    """RivaSpeechRecognitionConfigResponse: each model once for each type of call, as the clients expect it."""
    return ConfigResponse(
        model_config=[
            ConfigResponse.Config(
                model_name=own.name,
                parameters={
                    "type": kind,
                    "streaming": str(kind == "online"),
                    "language_code": own.card.language,
                    "sample_rate": str(own.sample_rate_hz),
                    "description": own.card.description,
                },
            )
            for own in recognizers
            for kind in _TYPES
        ]
    )
