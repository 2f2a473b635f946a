"""A transcript as text: a line of JSON an utterance, or subtitles. Laid out as by `hearken transcribe`.

Where it is written is left to recordings.py.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import hearken
from models.types import Result

_TIME_DIGITS = _CONFIDENCE_DIGITS = 3


class Format(StrEnum):
    """How transcripts are written; the values are also the endings of files."""

    JSONL = "jsonl"
    SRT = "srt"
    VTT = "vtt"


def render(file: str, results: Sequence[Result], form: Format) -> str:
    """The text of a file. results: final ones with words. Nothing was said: no line, or no cue."""
    match form:
        case Format.JSONL:
            return "".join(f"{json.dumps(_utterance(file, result), ensure_ascii=False)}\n" for result in results)
        case Format.SRT:
            return hearken.to_srt(map(_sdk_result, results))
        case Format.VTT:
            return hearken.to_vtt(map(_sdk_result, results))


def _utterance(file: str, result: Result) -> dict[str, Any]:
    best = result.alternatives[0]
    channel = {"channel": result.channel_tag} if result.channel_tag else {}
    return {
        "file": file,
        "text": best.transcript,
        "start_s": round(result.start_s, _TIME_DIGITS),
        "end_s": round(result.end_s, _TIME_DIGITS),
        "confidence": _rounded(best.confidence),
        **channel,
        "words": [
            {
                "word": word.text,
                "start_s": round(word.start_s, _TIME_DIGITS),
                "end_s": round(word.end_s, _TIME_DIGITS),
                "confidence": _rounded(word.confidence),
            }
            for word in best.words
        ],
    }


def _sdk_result(result: Result) -> hearken.Result:
    best = result.alternatives[0]
    words = tuple(hearken.Word(word.text, word.start_s, word.end_s) for word in best.words)
    return hearken.Result((hearken.Alternative(best.transcript, words=words),), True, result.start_s, result.end_s)


def _rounded(confidence: float) -> float | None:
    return round(confidence, _CONFIDENCE_DIGITS) or None
