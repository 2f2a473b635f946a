"""Transcripts and models as text: JSON for programs, lines and tables for people. Prints nothing itself."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from rich import box
from rich.table import Table

from hearken._results import Model, Result, Transcript, Word

_TIME_DIGITS = 3


def to_json(file: str, transcript: Transcript, *, words: bool) -> str:
    """One line of JSON for one recording."""
    return json.dumps(
        {
            "file": file,
            "text": transcript.text,
            "audio_s": round(transcript.audio_s, _TIME_DIGITS),
            "model": transcript.model,
            "utterances": [_utterance(result, words=words) for result in transcript.results],
        },
        ensure_ascii=False,
    )


def word_lines(result: Result) -> Iterator[str]:
    """A line for each word of a result (none without word_info): start and end in seconds, word."""
    for word in result.words:
        yield f"{word.start_s:8.2f} {word.end_s:8.2f}  {word.text}"


def model_line(model: Model) -> str:
    """Name, language and sample rate, separated by tabs."""
    return f"{model.name}\t{model.language}\t{model.sample_rate_hz}"


def models_table(models: Iterable[Model]) -> Table:
    """The same with latencies and error rates."""
    table = Table("name", "language", "latencies (ms)", "word error rates", "description", box=box.SIMPLE_HEAD)
    for model in models:
        rates = "\n".join(f"{rate.test_set}, {rate.setting}: {rate.percent:.1f} %" for rate in model.word_error_rates)
        latencies = " ".join(str(int(latency)) for latency in model.latencies)
        table.add_row(model.name, model.language, latencies, rates, model.description)
    return table


def _utterance(result: Result, *, words: bool) -> dict[str, Any]:
    utterance: dict[str, Any] = {
        "text": result.text,
        "start_s": round(result.start_s, _TIME_DIGITS),
        "end_s": round(result.end_s, _TIME_DIGITS),
        "confidence": result.confidence,
    }
    if words:
        utterance["words"] = [_word(word) for word in result.words]
    return utterance


def _word(word: Word) -> dict[str, Any]:
    return {
        "word": word.text,
        "start_s": round(word.start_s, _TIME_DIGITS),
        "end_s": round(word.end_s, _TIME_DIGITS),
        "confidence": word.confidence,
    }
