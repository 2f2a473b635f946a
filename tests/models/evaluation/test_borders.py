"""Known borders: sentences without their silences, in a row, and how far what a recognizer says of them is off."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import soundfile

from models.evaluation.borders import border_errors, recordings, speech_of
from models.training.data import Utterance
from models.types import Word

RATE_HZ = 16_000
RANDOM = np.random.default_rng(0)
ROOM = RANDOM.normal(0, 20, RATE_HZ).astype(np.int16)
SPEECH = (8000 * np.sin(np.arange(RATE_HZ) / 6)).astype(np.int16)


class Recognizer:
    """Hears the words that it was told to hear."""

    def __init__(self, words: list[Word]) -> None:
        self._words = words

    def open_stream(self, *_: Any) -> Any:
        return SimpleNamespace(accept=lambda data: None, finish=lambda: None)

    def drain(self, _: Any) -> Any:
        return [SimpleNamespace(alternatives=[SimpleNamespace(words=self._words)])]


def sentences(folder: Path, count: int) -> list[Utterance]:
    path = folder / "sentence.wav"
    soundfile.write(path, np.concatenate([ROOM, SPEECH, ROOM]), RATE_HZ, subtype="PCM_16")
    return [Utterance(f"u{i}", path, 3.0, "s", "made up", "good morning") for i in range(count)]


def test_the_room_before_and_after_speech_is_left_out() -> None:
    assert abs(len(speech_of(np.concatenate([ROOM, SPEECH, ROOM]))) - RATE_HZ) <= RATE_HZ // 50


def test_sentences_are_where_they_are_said_to_be(tmp_path: Path) -> None:
    ((audio, found),) = recordings(sentences(tmp_path, 3), np.random.default_rng(1))
    for sentence in found:
        start, end = round(sentence.start_s * RATE_HZ), round(sentence.end_s * RATE_HZ)
        assert not audio[start - 1000 : start].any()
        assert np.abs(audio[start:end]).max() > 7000
        assert sentence.words == ("good", "morning")


def test_only_words_that_were_recognized_count(tmp_path: Path) -> None:
    ((audio, (first, second)),) = recordings(sentences(tmp_path, 2), np.random.default_rng(1))
    heard = [
        Word("good", first.start_s + 0.05, first.start_s + 0.3),
        Word("mourning", first.start_s + 0.5, first.end_s),
        Word("would", second.start_s, second.start_s + 0.3),
        Word("morning", second.start_s + 0.5, second.end_s - 0.1),
    ]
    errors = border_errors(cast(Any, Recognizer(heard)), audio, [first, second])
    assert np.allclose(errors.starts, [0.05]) and np.allclose(errors.ends, [-0.1])
