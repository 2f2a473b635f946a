"""A model package for one field: the sounds of another package, the words and word order of a text."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from models.decoding.spelling import Phones, SpellingRules
from models.errors import DataError
from models.language.arpa import SPECIAL_WORDS, choose_words, encode, write_arpa
from models.language.kneser_ney import count_ngrams, train
from models.language.mixture import GeneralModel, mix
from models.language.plain_text import sentences_of
from models.package import (
    CARD,
    LANGUAGE_MODEL,
    LEXICON,
    SELF_TEST,
    SPELLING,
    contents_of,
    is_package,
    open_package,
    write_checksums,
    write_config,
)
from models.recognizer import Recognizer
from models.types import AudioFormat, RecognitionOptions

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Customized:
    """What a custom package was made of. guessed: words whose pronunciation comes from the rules of spelling."""

    name: str
    sentences: int
    words: int
    guessed: tuple[str, ...]
    unpronounceable: tuple[str, ...]


def customize(
    base: Path, texts: Sequence[Path], output: Path, *, order: int = 3, general_share: float = 0.5
) -> Customized:
    """Writes a package into `output`, whose name becomes the model's name.

    general_share: how much of each probability comes from the base's language model, 0 to 1.
    Raises DataError (nothing to learn from, or `output` is a package already) and PackageError (of the base).
    """
    if is_package(output):
        raise DataError(f"{output} is a model package already; give another folder, or remove it")
    package = open_package(base)
    sentences = [sentence for path in texts for sentence in sentences_of(_read(path))]
    lexicon = _read_lexicon(package.path(LEXICON))
    rules = SpellingRules.read(package.path(SPELLING))
    words = choose_words(sentences, len(lexicon) + 1_000_000)
    guessed = {word: rules.pronounce(word) for word in words if word not in lexicon}
    unpronounceable = tuple(word for word, own in guessed.items() if not own)
    words = [word for word in words if word not in unpronounceable]
    output.mkdir(parents=True, exist_ok=True)
    _write_language_model(package.path(LANGUAGE_MODEL), sentences, words, lexicon, order, general_share, output)
    # The search keeps a few words of each sound, the first in this file: those of the text.
    entries = {word: lexicon.get(word) or guessed[word] for word in words} | lexicon
    lines = (" ".join((word, *phones)) for word, own in entries.items() for phones in own)
    (output / LEXICON).write_text("\n".join(lines) + "\n", encoding="utf-8")
    for name in contents_of(package.folder):
        if not (output / name).exists():
            shutil.copyfile(package.path(name), output / name)
    card = json.loads(package.path(CARD).read_text(encoding="utf-8"))
    card["description"] = f"{package.config.name} with a language model of {len(sentences)} sentences of its own."
    card["word_error_rates"] = []  # nobody has measured this one
    (output / CARD).write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    name = output.resolve().name
    write_config(output, replace(package.config, name=name))
    write_checksums(output)
    _renew_self_test(output)
    return Customized(
        name, len(sentences), len(words), tuple(word for word, own in guessed.items() if own), unpronounceable
    )


def _write_language_model(
    general: Path,
    sentences: Sequence[list[str]],
    words: Sequence[str],
    lexicon: dict[str, list[Phones]],
    order: int,
    general_share: float,
    output: Path,
) -> None:
    longest = max((len(sentence) for sentence in sentences), default=0)
    vocabulary = [*words, *(word for word in lexicon if word not in set(words))]
    tables = count_ngrams(
        encode(sentences, vocabulary), len(SPECIAL_WORDS) + len(vocabulary), max(1, min(order, longest + 1))
    )
    orders = train(tables, cutoffs=[0] * len(tables), threshold=0.0)
    probabilities = GeneralModel(general, vocabulary, frozenset(lexicon)).probabilities(tables)
    mixed = mix(tables, orders, probabilities, general_share=general_share)
    # KenLM reads the text form of a model, too, if slowly; this one is small.
    sizes = write_arpa(output / LANGUAGE_MODEL, vocabulary, tables, mixed)
    log.info("n-grams of order 1 to %d: %s", len(sizes), sizes)


def _renew_self_test(folder: Path) -> None:
    """What the new model hears in the self-test utterance is what it has to hear from now on."""
    package = open_package(folder)
    recognizer = Recognizer(package, torch.device("cpu"))
    audio = package.path(SELF_TEST).read_bytes()
    heard = " ".join(
        result.alternatives[0].transcript
        for result in recognizer.transcribe(audio, AudioFormat(), RecognitionOptions(interim=False))
    )
    if heard != package.config.self_test_text:
        log.warning("the self-test says %r with this language model, not %r", heard, package.config.self_test_text)
        write_config(folder, replace(package.config, self_test_text=heard))
        write_checksums(folder)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as UTF-8 text: {error}") from error


def _read_lexicon(path: Path) -> dict[str, list[Phones]]:
    lexicon: dict[str, list[Phones]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        word, *phones = line.split()
        lexicon.setdefault(word, []).append(tuple(phones))
    return lexicon
