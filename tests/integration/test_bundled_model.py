"""The bundled model as a user meets it: sample recordings, and silence and noise that hold no words."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from models.evaluation.wer import error_rates
from models.package import find_package
from models.recognizer import Recognizer
from models.types import AudioFormat, BlankEndpointing, Encoding, EndpointingOptions, RecognitionOptions

PCM = AudioFormat(Encoding.LINEAR16, 16_000, 1)
MOST_SAMPLE_WER = 20.0  # percent; 10.5 when the model was bundled
FINALS_ONLY = RecognitionOptions(interim=False)


@pytest.fixture(scope="module")
def recognizer() -> Iterator[Recognizer]:
    recognizer = Recognizer.load(find_package("english"), "cpu")
    yield recognizer
    recognizer.close()


def test_the_samples_are_understood(recognizer: Recognizer, samples_dir: Path) -> None:
    with (samples_dir / "transcripts.tsv").open() as file:
        known = {row["file"]: row["text"] for row in csv.DictReader(file, delimiter="\t")}
    heard = []
    for name in known:
        results = recognizer.transcribe((samples_dir / name).read_bytes(), AudioFormat(), FINALS_ONLY)
        heard.append(" ".join(result.alternatives[0].transcript for result in results))
    assert error_rates(list(known.values()), heard).wer < MOST_SAMPLE_WER


@pytest.mark.parametrize("kind", ["silence", "hum"])
def test_where_nobody_speaks_there_are_no_words(recognizer: Recognizer, kind: str) -> None:
    count = 20 * 16_000
    audio = np.zeros(count) if kind == "silence" else 300 * np.sin(2 * np.pi * 50 * np.arange(count) / 16_000)
    assert recognizer.transcribe(audio.astype("<i2").tobytes(), PCM, FINALS_ONLY) == []


@pytest.mark.parametrize("interim", [True, False])
def test_blanks_end_utterances_the_same_for_any_packets(
    recognizer: Recognizer, samples_dir: Path, interim: bool
) -> None:
    """Riva's endpointing looks at the acoustic model's outputs, which come in chunks."""
    speech = (samples_dir / "rain.wav").read_bytes()[44:]
    audio = speech + np.random.default_rng(0).normal(0, 3, 32_000).astype("<i2").tobytes() + speech
    options = RecognitionOptions(interim=interim, endpointing=EndpointingOptions(blanks=BlankEndpointing()))

    def utterances(packet_bytes: int) -> list[tuple[float, str]]:
        stream = recognizer.open_stream(PCM, options)
        results = []
        for at in range(0, len(audio), packet_bytes):
            stream.accept(audio[at : at + packet_bytes])
            results += recognizer.drain(stream)
        stream.finish()
        results += recognizer.drain(stream)
        return [(own.end_s, own.alternatives[0].transcript) for own in results if own.is_final]

    first, second = utterances(3_200)
    assert len(speech) / 32_000 < first[0] < len(speech) / 32_000 + 1.0, "within the window and a chunk of the speech"
    assert first[1].startswith("the rain") and second[1].startswith("the rain")
    assert utterances(32_000) == [first, second]
