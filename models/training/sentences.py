"""Text to learn from: sentences as words, out of plain text and manifests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path


def read_sentences(paths: Iterable[Path]) -> Iterator[list[str]]:
    """Sentences as lowercase words: a text's lines, or the last column of a manifest (.tsv, with a header line)."""
    for path in paths:
        is_manifest = path.suffix == ".tsv"
        with path.open(encoding="utf-8") as lines:
            if is_manifest:
                next(lines, None)
            for line in lines:
                words = (line.rpartition("\t")[2] if is_manifest else line).lower().split()
                if words:
                    yield words
