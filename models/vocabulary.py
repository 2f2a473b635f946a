"""The output symbols of the acoustic model: word pieces, with id 0 for the CTC blank."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import sentencepiece

from models.errors import PackageError

BLANK = 0
WORD_START = "\N{LOWER ONE EIGHTH BLOCK}"  # sentencepiece's mark at the first piece of a word


class Vocabulary:
    """Word pieces <-> ids. Piece 0 of the sentencepiece model is its unknown symbol, which text of a-z and
    apostrophes never needs; its id is the CTC blank.
    """

    def __init__(self, model_file: Path) -> None:
        try:
            self._pieces = sentencepiece.SentencePieceProcessor(model_file=str(model_file))
        except (OSError, RuntimeError) as error:
            raise PackageError(f"{model_file} is not a readable sentencepiece model: {error}") from error

    def __len__(self) -> int:
        return int(self._pieces.get_piece_size())

    @property
    def pieces(self) -> tuple[str, ...]:
        """All pieces by id; WORD_START begins those that start a word. Index BLANK is the blank, not a piece."""
        return tuple(self._pieces.id_to_piece(i) for i in range(len(self)))

    def encode(self, text: str) -> list[int]:
        """Ids of a normalized text (lowercase a-z, apostrophe, single spaces)."""
        return list(self._pieces.encode(text))

    def decode(self, ids: Sequence[int]) -> str:
        """The text of a sequence of ids without blanks."""
        return "".join(self._pieces.id_to_piece(i) for i in ids).replace(WORD_START, " ").strip()
