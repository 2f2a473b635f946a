"""Pronunciations of words by espeak-ng's rules for American English: the second, phonetic target of the acoustic model.

The program (Debian's espeak-ng) is needed for training only; a model package carries the finished list.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from models.errors import DataError

Pronunciations = dict[str, tuple[str, ...]]

PRONUNCIATIONS = "pronunciations.txt"

_VOICE = "en-us"
_BATCH_WORDS = 20_000
_STRESS = re.compile(r"[',%=|]")
# Marks of language switches and pauses that espeak-ng writes among the phones.
# Shades of a sound by its place in the word; one symbol is learned sooner.
_MERGED = {
    "I2": "I",
    "I#": "I",
    "@2": "@",
    "@-": "@",
    "a#": "@",
    "aa": "a",
    "t#": "t",
    "t2": "t",
    "r-": "r",
    "n-": "n",
    "l#": "l",
    "O2": "O:",
    "O": "O:",
    "O~": "O:",
    "A~": "A:",
    "a:": "A:",
    "i::": "i:",
    "a#:": "A:",
    "e": "eI",
    "x": "k",
    "C": "S",
}
_NO_PHONE = re.compile(r"\(.*\)|:|!|-|;|\?|\s*")


def pronounce(words: Iterable[str]) -> Pronunciations:
    """word -> phones (espeak-ng's mnemonics without stress marks); words without a pronunciation are left out.

    Raises DataError when espeak-ng is not installed or loses count of the words.
    """
    if shutil.which("espeak-ng") is None:
        raise DataError("pronunciations need the program espeak-ng (Debian: apt-get install espeak-ng)")
    wanted = sorted(set(words))
    found: Pronunciations = {}
    for start in range(0, len(wanted), _BATCH_WORDS):
        batch = wanted[start : start + _BATCH_WORDS]
        for word, line in zip(batch, _spoken(batch), strict=True):
            phones = _phones(line)
            if phones:
                found[word] = phones
    return found


def write_pronunciations(pronunciations: Mapping[str, Sequence[str]], path: Path) -> None:
    """One word a line, followed by its phones."""
    lines = (" ".join((word, *phones)) for word, phones in pronunciations.items())
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_pronunciations(path: Path) -> Pronunciations:
    """The inverse of `write_pronunciations`."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return {word: tuple(phones) for word, *phones in (line.split() for line in lines)}


def phone_set(pronunciations: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """All phones in use, sorted."""
    return tuple(sorted({phone for phones in pronunciations.values() for phone in phones}))


def main(
    words: Annotated[Path, typer.Option(help="one word a line, most frequent first (words.txt of a language model)")],
    output: Annotated[Path, typer.Option(help="file to write; beside the words, `pronunciations.txt`")],
) -> None:
    """Pronounce every word of a list."""
    wanted = words.read_text(encoding="utf-8").split()
    found = pronounce(wanted)
    write_pronunciations({word: found[word] for word in wanted if word in found}, output)


def _spoken(words: Sequence[str]) -> list[str]:
    """One line of phones for each word; a full stop behind each keeps them apart."""
    text = "".join(f"{word}.\n" for word in words)
    command = ["espeak-ng", "-q", "-v", _VOICE, "-x", "--sep=_", "--stdin"]
    lines = subprocess.run(command, input=text, text=True, capture_output=True, check=True).stdout.splitlines()
    lines = [line.strip() for line in lines if line.strip()]
    if len(lines) != len(words):
        raise DataError(f"espeak-ng gave {len(lines)} pronunciations for {len(words)} words")
    return lines


def _phones(line: str) -> tuple[str, ...]:
    parts = (_STRESS.sub("", part) for part in line.replace(" ", "_").split("_"))
    return tuple(_MERGED.get(part, part) for part in parts if not _NO_PHONE.fullmatch(part))


if __name__ == "__main__":
    typer.run(main)
