"""What the page and the gateway say to each other, as JSON. The WebSocket is left to `gateway.py`.

page:     {"sample_rate_hz": 48000, "latency_ms": 320, "language": "en-US", "hints": ["Anna"]}     first, once
          16-bit little-endian samples of one channel                                             binary, any length
          {"type": "end"}                                                                         no more audio comes
gateway:  {"type": "result", "is_final": false, "text": ..., "words": [...], ...}
          {"type": "done"}                                                                        all was said
          {"type": "error", "message": ...}                                                       a sentence
"""

from __future__ import annotations

import json
from typing import Any

from hearken import Alternative, Result, StreamOptions, Word

END = "end"

_KNOWN = {"sample_rate_hz": int, "latency_ms": int, "language": str, "model": str, "hints": list}


class BadMessage(ValueError):
    """The page said something that the gateway does not understand; the text is a sentence."""


def options_of(text: str) -> StreamOptions:
    """What the first message asks for. Raises BadMessage; what the server does not offer it refuses itself."""
    message = _object(text)
    for name, value in message.items():
        if name not in _KNOWN:
            raise BadMessage(f"{name} is unknown here; known are {', '.join(_KNOWN)}")
        if not isinstance(value, _KNOWN[name]) or isinstance(value, bool):
            raise BadMessage(f"{name} has the wrong type; give {_KNOWN[name].__name__}")
    hints = message.pop("hints", [])
    if not all(isinstance(hint, str) for hint in hints):
        raise BadMessage("hints are texts")
    if "sample_rate_hz" not in message:
        raise BadMessage("sample_rate_hz is missing; give that of the audio")
    options: StreamOptions = {"word_info": True, "phrase_hints": hints}
    options.update(message)  # type: ignore[typeddict-item]
    return options


def check_end(text: str) -> None:
    """Raises BadMessage if this is not the message after the last audio."""
    if _object(text).get("type") != END:
        raise BadMessage(f'after the first message comes audio, and at its end {{"type": "{END}"}}')


def result_message(result: Result) -> dict[str, Any]:
    """A result for the page."""
    return {
        "type": "result",
        "is_final": result.is_final,
        "text": result.text,
        "words": [_word_message(word) for word in result.words],
        "confidence": result.confidence,
        "committed_chars": result.committed_chars,
        "utterance": result.utterance,
        "start_s": result.start_s,
        "end_s": result.end_s,
        "received_s": result.clock.received_s if result.clock else None,
        "recognized_s": result.clock.recognized_s if result.clock else None,
        "model": result.model,
    }


def utterances_of(text: str) -> list[Result]:
    """The utterances that the page wants subtitles of: lists of words. Raises BadMessage."""
    try:
        return [_utterance(utterance) for utterance in json.loads(text) if utterance]
    except (ValueError, TypeError, KeyError) as error:
        raise BadMessage("subtitles are made of lists of words, each with text, start_s and end_s") from error


def _utterance(messages: list[dict[str, Any]]) -> Result:
    words = tuple(Word(str(word["text"]), float(word["start_s"]), float(word["end_s"])) for word in messages)
    alternative = Alternative(" ".join(word.text for word in words), None, words)
    return Result((alternative,), True, words[0].start_s, words[-1].end_s)


def _word_message(word: Word) -> dict[str, Any]:
    return {"text": word.text, "start_s": word.start_s, "end_s": word.end_s, "confidence": word.confidence}


def _object(text: str) -> dict[str, Any]:
    try:
        message = json.loads(text)
    except ValueError:
        raise BadMessage("this is not JSON") from None
    if not isinstance(message, dict):
        raise BadMessage("a message is a JSON object")
    return message
