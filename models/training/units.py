"""Makes a vocabulary of training text: its characters, or word pieces (byte-pair encoding: Sennrich et al. 2016)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import sentencepiece


def train_units(texts: Iterable[str], size: int, target: Path) -> None:
    """Writes a sentencepiece model of `size` pieces (0: characters) to `target`.

    Piece 0, the unknown symbol, serves as the CTC blank.
    """
    kind: dict[str, Any] = (
        {"model_type": "bpe", "vocab_size": size} if size else {"model_type": "char", "use_all_vocab": True}
    )
    with target.open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=file,
            **kind,
            character_coverage=1.0,
            unk_id=0,
            bos_id=-1,
            eos_id=-1,
            minloglevel=2,
        )
