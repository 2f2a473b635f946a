"""Makes a model package of a training run and a language model: `python -m models.training.export --help`."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Annotated

import torch
import typer

from models.acoustic.model import AcousticConfig
from models.acoustic.speller import SpellerConfig
from models.decoding.spelling import write_rules
from models.features import FeatureConfig
from models.package import (
    CARD,
    LANGUAGE_MODEL,
    LEXICON,
    PIECES,
    SELF_TEST,
    SPELLER,
    SPELLING,
    UNITS,
    WEIGHTS,
    DecodingConfig,
    PackageConfig,
    write_checksums,
    write_config,
)
from models.recognizer import Recognizer
from models.training.checkpoint import read_checkpoint
from models.training.pronunciations import PRONUNCIATIONS, read_pronunciations, write_pronunciations
from models.training.spelling import learn_rules
from models.training.train_speller import TRAINED_SPELLER
from models.weights import write_weights

_TUNING = DecodingConfig()


def export(
    run: Annotated[Path, typer.Option(help="folder of the training run")],
    language_model: Annotated[Path, typer.Option(help="folder with lm.bin and pronunciations.txt")],
    card: Annotated[Path, typer.Option(help="model card (JSON: language, description, word_error_rates, ...)")],
    self_test: Annotated[Path, typer.Option(help="WAV of one utterance that the model must get right")],
    self_test_text: Annotated[str, typer.Option(help="what it says")],
    output: Annotated[Path, typer.Option(help="folder of the new package; its name is the model's name")],
    speller: Annotated[Path | None, typer.Option(help="folder of a speller's training run")] = None,
    beam_size: Annotated[int, typer.Option(help="hypotheses kept")] = _TUNING.beam_size,
    language_model_weight: Annotated[float, typer.Option()] = _TUNING.language_model_weight,
    word_bonus: Annotated[float, typer.Option()] = _TUNING.word_bonus,
) -> None:
    """Write a package from averaged weights, then load it as the server would."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    checkpoint = read_checkpoint(run)
    output.mkdir(parents=True, exist_ok=True)
    write_weights(checkpoint["averaged"], output / WEIGHTS)
    for source, name in (
        (run / UNITS, UNITS),
        (language_model / LANGUAGE_MODEL, LANGUAGE_MODEL),
        (self_test, SELF_TEST),
        (card, CARD),
    ):
        if source.resolve() != (output / name).resolve():
            shutil.copyfile(source, output / name)
    phones = checkpoint["phones"]
    pronunciations = read_pronunciations(language_model / PRONUNCIATIONS)
    known = {word: own for word, own in pronunciations.items() if set(own) <= set(phones)}
    write_pronunciations(known, output / LEXICON)
    write_rules(learn_rules(list(known.items())).items(), output / SPELLING)
    typer.echo(f"{len(known)} words; {len(pronunciations) - len(known)} with phones that the model has not learned")
    json.loads((output / CARD).read_text(encoding="utf-8"))
    features = checkpoint["features"]
    spelling = None
    if speller is not None:
        trained = torch.load(speller / TRAINED_SPELLER, weights_only=True)
        spelling = SpellerConfig(**trained["speller"])
        write_weights(trained["averaged"], output / SPELLER)
        shutil.copyfile(speller / PIECES, output / PIECES)
    config = PackageConfig(
        name=output.resolve().name,
        acoustic=AcousticConfig(**checkpoint["acoustic"]),
        features=FeatureConfig(**features),
        phones=tuple(phones),
        decoding=DecodingConfig(
            beam_size=beam_size, language_model_weight=language_model_weight, word_bonus=word_bonus
        ),
        self_test_text=self_test_text,
        speller=spelling,
    )
    write_config(output, config)
    write_checksums(output)
    Recognizer.load(output, "cpu")
    size_mb = sum(path.stat().st_size for path in output.iterdir()) / 1e6
    typer.echo(f"{output}: {size_mb:.1f} MB")


if __name__ == "__main__":
    typer.run(export)
