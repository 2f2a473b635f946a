"""The synthetic-speech tool: which sentences it takes, how it trims, and what it leaves in a corpus folder."""

import csv
import random
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer

from models.features import SAMPLE_RATE_HZ
from models.training import synthesize
from models.training.data import MANIFEST_COLUMNS
from models.training.voices import INSTALL_HINT, VOICES, installed_voices

TONE_S = 0.5


@pytest.mark.parametrize(
    "sentence", ["it was a bright cold day", "i don't know what o'clock it is", "the civil war made him ill"]
)
def test_plain_sentences_are_taken(sentence: str) -> None:
    assert synthesize.is_speakable(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "far too short",
        " ".join(["long"] * 23),
        "there were 12 of them here",
        "he said, and then he left",
        "chapter xiv in which they meet",
        "mr dashwood came down the stairs",
        "then w hawkins wrote a play",
        "the  spaces here are not single",
        "go and tell 'em about it",
    ],
)
def test_sentences_that_synthesizers_read_differently_are_left_out(sentence: str) -> None:
    assert not synthesize.is_speakable(sentence)


def test_trimming_keeps_at_most_a_third_of_a_second_of_silence() -> None:
    tone = np.ones(round(TONE_S * SAMPLE_RATE_HZ), np.float32)
    silence = np.zeros(SAMPLE_RATE_HZ, np.float32)
    trimmed = synthesize.trim(np.concatenate([silence, tone, silence]))
    assert len(trimmed) / SAMPLE_RATE_HZ == pytest.approx(TONE_S + 2 * synthesize.KEPT_SILENCE_S)
    assert np.array_equal(synthesize.trim(tone), tone)
    assert len(synthesize.trim(silence)) == 0
    assert len(synthesize.trim(silence[:0])) == 0


def test_resampling_keeps_a_tone() -> None:
    times_s = np.arange(22_050) / 22_050
    tone = np.sin(2 * np.pi * 440 * times_s).astype(np.float32)
    expected = np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    np.testing.assert_allclose(synthesize.resample(tone, 16_000 / 22_050), expected, atol=1e-4)


def test_the_same_seed_plans_the_same_corpus(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("THIS LINE IS SPOKEN ONCE ONLY\n" * 2 + "SO IS THIS OTHER LINE HERE\nTHIS IS NOT\n")

    def planned() -> list[synthesize.Utterance]:
        rng = random.Random(3)
        return list(synthesize.plan(synthesize.pick_sentences(text, rng), list(VOICES), rng))

    assert planned() == planned()
    assert {utterance.text for utterance in planned()} == {
        "this line is spoken once only",
        "so is this other line here",
    }


def test_a_synthesized_corpus_holds_what_its_manifest_says(tmp_path: Path) -> None:
    voices = installed_voices()
    if not voices:
        pytest.skip(f"no speech synthesizer is installed: {INSTALL_HINT}")
    sentences = ["the rain has stopped at last", "we'll walk to the market now"]
    synthesize.write_corpus(synthesize.plan(sentences, voices, random.Random(1)), tmp_path, 1.0, 2)
    with (tmp_path / "manifest.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    assert tuple(rows[0]) == MANIFEST_COLUMNS
    assert [row["transcript"] for row in rows] == [sentence.upper() for sentence in sentences]
    for row in rows:
        samples, rate_hz = soundfile.read(tmp_path / row["path"])
        assert (rate_hz, samples.ndim) == (SAMPLE_RATE_HZ, 1)
        assert len(samples) / rate_hz == pytest.approx(float(row["seconds"]), abs=0.01)
        assert np.abs(samples).max() == pytest.approx(synthesize.PEAK, abs=0.01)


def test_a_smaller_speaker_talks_at_the_same_pace() -> None:
    voice = next((voice for voice in installed_voices() if voice.name == "slt"), None)
    if voice is None:
        pytest.skip(f"flite is not installed: {INSTALL_HINT}")
    large, small = (
        len(synthesize.speak(synthesize.Utterance("x", "the rain has stopped at last", voice, 1.0, size, 0.5)))
        for size in synthesize.SIZE
    )
    assert small == pytest.approx(large, rel=0.1)


def test_a_machine_without_synthesizers_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(typer.BadParameter, match="apt-get install"):
        synthesize.main(tmp_path / "text.txt", tmp_path / "corpus")
    assert not (tmp_path / "corpus").exists()
