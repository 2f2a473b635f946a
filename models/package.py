"""A model package: one folder with everything that recognition needs, checked before it is used. No pickle anywhere.

config.json          architecture, features, latencies, decoding, self-test text
weights.safetensors  the acoustic model (`weights.py`)
units.model          letters (sentencepiece)
lexicon.txt          words of the language model with their phones, most frequent first
spelling.txt         how words outside the lexicon are probably pronounced
lm.bin               word n-grams (KenLM binary, memory-mapped)
self_test.wav        an utterance with known text
card.json            what a user should know: data, licenses, word error rates, limits
checksums.json       SHA-256 of all the others

and, where a package can also write words without lexicon and language model (`acoustic/speller.py`):

speller.safetensors  the speller
pieces.model         the word pieces that it writes (sentencepiece)
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from models.acoustic.model import AcousticConfig
from models.acoustic.speller import SpellerConfig
from models.acoustic.state import ChunkShape
from models.errors import PackageError
from models.features import FeatureConfig

FORMAT_VERSION = 2
_READABLE_VERSIONS = (1, 2)  # the first knew float16 weights only, and no speller
BUNDLED = Path(__file__).parent / "packages"

WEIGHTS, UNITS = "weights.safetensors", "units.model"
LEXICON, SPELLING, LANGUAGE_MODEL = "lexicon.txt", "spelling.txt", "lm.bin"
SELF_TEST, CARD, CONFIG, CHECKSUMS = "self_test.wav", "card.json", "config.json", "checksums.json"
SPELLER, PIECES = "speller.safetensors", "pieces.model"
CONTENTS = (CONFIG, WEIGHTS, UNITS, LEXICON, SPELLING, LANGUAGE_MODEL, SELF_TEST, CARD)
SPELLER_CONTENTS = (SPELLER, PIECES)

_MIB = 2**20
_MAX_BYTES = {
    **{name: 16 * _MIB for name in (CONFIG, CARD, CHECKSUMS)},
    **{name: 64 * _MIB for name in (UNITS, PIECES, SELF_TEST)},
    **{name: 1024 * _MIB for name in (LEXICON, SPELLING)},
    **{name: 16 * 1024 * _MIB for name in (WEIGHTS, SPELLER)},
}
"""What is read into memory must not be larger; the language model is mapped, of whatever size."""

_MAX_SIZES = {
    "vocabulary": 65_536,
    "pieces": 65_536,
    "phones": 4_096,
    "channels": 4_096,
    "hidden": 8_192,
    "layers": 64,
    "outputs_per_step": 64,
}
"""Of an architecture, so that a foreign configuration cannot keep the server busy before its weights are looked at."""


@dataclass(frozen=True, slots=True)
class DecodingConfig:
    """Beam search with the word language model, tuned on the development set.

    beam_size: hypotheses kept. beam_threshold: log-score distance to the best at which one is dropped.
    beam_tokens: symbols tried at each output, at most. least_log_prob: of a symbol to be tried. word_bonus: added for
    each word. blank_penalty: taken from the blank's log probabilities, which CTC makes larger than they should be.
    word_confidence_, stability_: scale and offset of the logistic functions that make probabilities of mean log
    probabilities: of a word's phones that it is right, and of interim words that the final text has them.
    """

    beam_size: int = 100
    beam_threshold: float = 20.0
    beam_tokens: int = 24
    least_log_prob: float = -100.0
    language_model_weight: float = 1.5
    word_bonus: float = 0.0
    blank_penalty: float = 0.0
    word_confidence_scale: float = 1.1
    word_confidence_offset: float = 0.7
    stability_scale: float = 3.8
    stability_offset: float = 0.8


@dataclass(frozen=True, slots=True)
class PackageConfig:
    """config.json. phones: the model's phonetic symbols but the blank, by id from 1. latencies: milliseconds -> chunk
    shape. self_test_text: what self_test.wav says. speller: None in a package without one.
    """

    name: str
    acoustic: AcousticConfig
    features: FeatureConfig
    phones: tuple[str, ...]
    decoding: DecodingConfig
    self_test_text: str
    latencies: dict[int, ChunkShape] = field(
        default_factory=lambda: {
            160: ChunkShape(1, 1),
            320: ChunkShape(2, 2),
            640: ChunkShape(4, 4),
            1280: ChunkShape(8, 8),
        }
    )
    speller: SpellerConfig | None = None


@dataclass(frozen=True, slots=True)
class WordErrorRate:
    """One measurement. setting: "final", or the latency of interim text."""

    test_set: str
    setting: str
    percent: float


@dataclass(frozen=True, slots=True)
class ModelCard:
    """card.json, the part that the service shows."""

    language: str
    description: str
    word_error_rates: tuple[WordErrorRate, ...] = ()


@dataclass(frozen=True, slots=True)
class Package:
    """A checked package on disk."""

    folder: Path
    config: PackageConfig
    card: ModelCard

    def path(self, name: str) -> Path:
        """The path of one of its files."""
        return self.folder / name


def find_package(name_or_path: str) -> Path:
    """The folder of a bundled package's name, or of a path. Raises PackageError when there is neither."""
    for folder in (BUNDLED / name_or_path, Path(name_or_path)):
        if is_package(folder):
            return folder
    bundled = sorted(p.parent.name for p in BUNDLED.glob(f"*/{CONFIG}"))
    raise PackageError(
        f"there is no model package {name_or_path!r}: give a folder with a {CONFIG}, or one of {bundled}"
    )


def is_package(folder: Path) -> bool:
    """Whether `folder` looks like a package; `open_package` tells whether it is a sound one."""
    return (folder / CONFIG).is_file()


def open_package(folder: Path) -> Package:
    """Checks every file against its checksum and reads the configuration.

    Raises PackageError for a missing or damaged file, a foreign folder or a format of another version.
    """
    checksums = _read_json(folder / CHECKSUMS)
    _check(folder, CONTENTS, checksums)
    _check(folder, contents_of(folder)[len(CONTENTS) :], checksums)
    table = _read_json(folder / CONFIG)
    version = table.pop("format_version", None)
    if version not in _READABLE_VERSIONS:
        raise PackageError(f"{folder} has package format {version}; this version reads {_READABLE_VERSIONS}")
    card = _read_json(folder / CARD)
    try:
        return Package(folder, _config_of(table), _card_of(card))
    except (KeyError, TypeError, ValueError) as error:
        raise PackageError(f"{folder} has an incomplete {CONFIG} or {CARD}: {error}") from error


def contents_of(folder: Path) -> tuple[str, ...]:
    """The files that a package has to have; whether a speller is among them says its configuration."""
    return CONTENTS + SPELLER_CONTENTS if _read_json(folder / CONFIG).get("speller") else CONTENTS


def write_config(folder: Path, config: PackageConfig) -> None:
    """Writes config.json; the inverse of what `open_package` reads."""
    table = asdict(config)
    table["latencies"] = {str(ms): [s.chunk_steps, s.look_ahead_steps] for ms, s in config.latencies.items()}
    text = json.dumps({"format_version": FORMAT_VERSION, **table}, indent=2)
    (folder / CONFIG).write_text(text + "\n", encoding="utf-8")


def write_checksums(folder: Path) -> None:
    """Seals a package: checksums of all its files as they are now."""
    sums = {name: _sha256(folder / name) for name in contents_of(folder)}
    (folder / CHECKSUMS).write_text(json.dumps(sums, indent=2) + "\n", encoding="utf-8")


def _check(folder: Path, names: tuple[str, ...], checksums: dict[str, Any]) -> None:
    for name in names:
        path = folder / name
        if not path.is_file():
            raise PackageError(f"the model package {folder} lacks {name}")
        _check_size(path)
        if checksums.get(name) != _sha256(path):
            raise PackageError(f"{path} is damaged or was changed: its SHA-256 is not the one in {CHECKSUMS}")


def _config_of(table: dict[str, Any]) -> PackageConfig:
    features = table["features"]
    features.update(mean=tuple(features["mean"]), scale=tuple(features["scale"]))
    acoustic = AcousticConfig(**table["acoustic"])
    speller = SpellerConfig(**table["speller"]) if table.get("speller") else None
    for part in (acoustic, speller):
        for name, most in _MAX_SIZES.items():
            if part is not None and not 1 <= (size := getattr(part, name, 1)) <= most:
                raise ValueError(f"{name} is {size}; from 1 to {most} are possible")
    return PackageConfig(
        name=table["name"],
        acoustic=acoustic,
        features=FeatureConfig(**features),
        phones=tuple(table["phones"]),
        decoding=DecodingConfig(**table["decoding"]),
        self_test_text=table["self_test_text"],
        latencies={int(ms): ChunkShape(*steps) for ms, steps in table["latencies"].items()},
        speller=speller,
    )


def _card_of(table: dict[str, Any]) -> ModelCard:
    rates = tuple(WordErrorRate(**rate) for rate in table["word_error_rates"])
    return ModelCard(table["language"], table["description"], rates)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        _check_size(path)
        table = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PackageError(f"{path} cannot be read ({error.strerror}); is this a model package?") from error
    except ValueError as error:
        raise PackageError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(table, dict):
        raise PackageError(f"{path} does not hold a JSON object")
    return table


def _check_size(path: Path) -> None:
    most = _MAX_BYTES.get(path.name, math.inf)
    if (size := path.stat().st_size) > most:
        raise PackageError(f"{path} has {size} bytes; at most {most} are read")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
