"""Transcripts and models as text: for programs, for players, for people. Prints nothing itself."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any

from rich import box
from rich.table import Table

from hearken._results import Model, Result, Transcript, Word
from hearken._subtitles import to_srt, to_vtt

_TIME_DIGITS = 3


class OutputFormat(StrEnum):
    """How transcripts are written; the values are also the endings of files."""

    TXT = "txt"
    JSON = "json"
    JSONL = "jsonl"
    SRT = "srt"
    VTT = "vtt"

    @property
    def is_subtitles(self) -> bool:
        """Whether players read it; such text cannot be several recordings', one after the other."""
        return self in (OutputFormat.SRT, OutputFormat.VTT)

    @property
    def is_by_utterance(self) -> bool:
        """Whether it can be written while the recording goes on."""
        return self in (OutputFormat.TXT, OutputFormat.JSONL)


def render(file: str, transcript: Transcript, output_format: OutputFormat, *, prefix: str = "") -> str:
    """A whole transcript, with the line break at its end. Words are written if the transcript has them."""
    match output_format:
        case OutputFormat.SRT:
            return to_srt(transcript.results)
        case OutputFormat.VTT:
            return to_vtt(transcript.results)
        case OutputFormat.JSON:
            return _json(_recording(file, transcript)) + "\n"
        case OutputFormat.JSONL:
            return "".join(f"{line}\n" for result in transcript.results for line in json_lines(file, result))
        case OutputFormat.TXT:
            return "".join(f"{line}\n" for result in transcript.results for line in text_lines(result, prefix))


def text_lines(result: Result, prefix: str = "") -> Iterator[str]:
    """The line of a final result, and one for each of its words; nothing if nothing was said."""
    if result.text:
        yield prefix + channel_prefix(result) + result.text
        yield from word_lines(result)


def channel_prefix(result: Result) -> str:
    """Whose text it is, if channels are recognized separately."""
    return f"channel {result.channel_tag}: " if result.channel_tag else ""


def word_lines(result: Result) -> Iterator[str]:
    """A line for each word of a result (none without word_info): start and end in seconds, word."""
    for word in result.words:
        yield f"{word.start_s:8.2f} {word.end_s:8.2f}  {word.text}"


def json_lines(file: str, result: Result) -> Iterator[str]:
    """The line of JSON of a final result; nothing if nothing was said."""
    if result.text:
        yield _json({"file": file} | _utterance(result))


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


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False)


def _recording(file: str, transcript: Transcript) -> dict[str, Any]:
    return {
        "file": file,
        "text": transcript.text,
        "audio_s": round(transcript.audio_s, _TIME_DIGITS),
        "model": transcript.model,
        "utterances": [_utterance(result) for result in transcript.results],
    }


def _utterance(result: Result) -> dict[str, Any]:
    utterance: dict[str, Any] = {
        "text": result.text,
        "start_s": round(result.start_s, _TIME_DIGITS),
        "end_s": round(result.end_s, _TIME_DIGITS),
        "confidence": result.confidence,
    }
    if result.channel_tag:
        utterance["channel"] = result.channel_tag
    if result.words:
        utterance["words"] = [_word(word) for word in result.words]
    return utterance


def _word(word: Word) -> dict[str, Any]:
    return {
        "word": word.text,
        "start_s": round(word.start_s, _TIME_DIGITS),
        "end_s": round(word.end_s, _TIME_DIGITS),
        "confidence": word.confidence,
    }
