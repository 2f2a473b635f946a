"""A tiny model package with random weights: real files, real code paths, milliseconds instead of seconds."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import numpy as np
import pytest
import torch

from models.acoustic.model import AcousticConfig, AcousticModel
from models.acoustic.state import ChunkShape
from models.features import FeatureConfig
from models.package import (
    CARD,
    LANGUAGE_MODEL,
    LEXICON,
    SELF_TEST,
    SPELLING,
    UNITS,
    WEIGHTS,
    DecodingConfig,
    PackageConfig,
    open_package,
    write_checksums,
    write_config,
)
from models.recognizer import Recognizer
from models.training.units import train_units
from models.weights import write_weights

TINY_LEXICON = {
    "a": "@",
    "rain": "r eI n",
    "in": "I n",
    "spain": "s p eI n",
    "stays": "s t eI z",
    "mainly": "m eI n l i",
    "the": "D @",
    "plain": "p l eI n",
    "on": "O n",
    "no": "n oU",
    "yes": "j E s",
    "oh": "oU",
    "ay": "eI",
    "eh": "E",
    "ah": "O",
    "ee": "i",
    "mm": "m",
    "ss": "s",
    "ll": "l",
    "nn": "n",
}
TINY_SPELLING = {"a": "eI", "i": "I", "n": "n", "r": "r", "s": "s", "t": "t", "p": "p", "l": "l", "e": "", "y": "i"}
TINY_PHONES = tuple(sorted({phone for phones in TINY_LEXICON.values() for phone in phones.split()}))
_FEWER_BLANKS = 5.0
_SHARPNESS = 40.0  # random weights give flat probabilities; sharper ones give the decoders something to decode


@pytest.fixture(scope="session")
def tiny_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package that loads and decodes; what it hears is nonsense, but always the same nonsense."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("packages") / "tiny"
    folder.mkdir()
    train_units([" ".join(TINY_LEXICON)] * 20, 32, folder / UNITS)
    config = PackageConfig(
        name="tiny",
        acoustic=AcousticConfig(
            vocabulary=32, phones=1 + len(TINY_PHONES), channels=8, hidden=16, layers=2, dropout=0.0
        ),
        phones=TINY_PHONES,
        features=FeatureConfig(mean=(-8.0,) * 80, scale=(0.4,) * 80),
        decoding=DecodingConfig(beam_size=300, language_model_weight=0.5),
        self_test_text="",
        latencies={160: ChunkShape(1, 1), 320: ChunkShape(2, 2), 640: ChunkShape(4, 4), 1280: ChunkShape(8, 8)},
    )
    model = AcousticModel(config.acoustic)
    for head in (model.head, model.phone_head):
        torch.nn.init.normal_(head.weight, std=_SHARPNESS / 16)
    with torch.no_grad():
        model.phone_head.bias[:: config.acoustic.phones] -= _FEWER_BLANKS
    write_weights(model.state_dict(), folder / WEIGHTS)
    (folder / LEXICON).write_text("".join(f"{word} {phones}\n" for word, phones in TINY_LEXICON.items()))
    (folder / SPELLING).write_text("".join(f"{letter}\t{phone}\n" for letter, phone in TINY_SPELLING.items()))
    (folder / LANGUAGE_MODEL).write_text(_bigram_arpa())
    (folder / CARD).write_text(json.dumps({"language": "en-US", "description": "random", "word_error_rates": []}))
    with wave.open(str(folder / SELF_TEST), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(bytes(100))
    write_config(folder, config)
    write_checksums(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_recognizer(tiny_package: Path) -> Recognizer:
    """The tiny package, loaded."""
    return Recognizer(open_package(tiny_package), torch.device("cpu"))


def babble(seconds: float, seed: int) -> bytes:
    """Noise bursts and pauses, 16 kHz LINEAR16: enough for the endpointer to find utterances in."""
    random = np.random.default_rng(seed)
    pieces = []
    while sum(map(len, pieces)) < seconds * 16_000:
        loud = int(random.integers(3_000, 24_000))
        pieces.append(random.normal(0, 3_000, loud) * (1 + np.sin(np.arange(loud) / random.uniform(200, 2_000))))
        pieces.append(random.normal(0, 2, int(random.integers(1_000, 20_000))))
    audio = np.concatenate(pieces)[: int(seconds * 16_000)]
    return audio.clip(-32768, 32767).astype("<i2").tobytes()


@pytest.fixture(scope="session")
def make_babble():  # type: ignore[no-untyped-def]
    """The function `babble(seconds, seed)`."""
    return babble


def _bigram_arpa() -> str:
    unigrams = ["-99\t<s>\t-0.3"] + [f"-1.1\t{word}\t-0.3" for word in ("<unk>", "</s>", *TINY_LEXICON)]
    return "\n".join(
        (
            "\\data\\",
            f"ngram 1={len(unigrams)}",
            "ngram 2=1",
            "",
            "\\1-grams:",
            *unigrams,
            "",
            "\\2-grams:",
            "-0.5\tthe\train",
            "",
            "\\end\\",
            "",
        )
    )
