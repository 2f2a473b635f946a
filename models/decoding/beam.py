"""CTC beam search over a lexicon with a word n-gram language model (flashlight-text), for final results.

The search holds Python's global lock while it runs; where that hurts, run it in another process (`LexiconDecoder`
only needs a package's files).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

from flashlight.lib.text.decoder import CriterionType, LexiconDecoder, LexiconDecoderOptions, SmearingMode, Trie
from flashlight.lib.text.decoder.kenlm import KenLM
from flashlight.lib.text.dictionary import Dictionary
from torch import Tensor

from models.errors import PackageError
from models.package import LANGUAGE_MODEL, WORDS, DecodingConfig, Package
from models.vocabulary import BLANK, WORD_START, Vocabulary

# flashlight wants a symbol for the silence between words and reads its score; word pieces have none, blank is as good.
_SILENCE = BLANK
_UNKNOWN_WORD = "<unk>"
_IMPOSSIBLE = float("-inf")


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word with the model outputs at which its first and its last piece begin."""

    text: str
    first_output: int
    last_output: int


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One reading: words in order and the total log score (acoustic and language model)."""

    words: tuple[TimedWord, ...]
    score: float

    @property
    def text(self) -> str:
        """The words with single spaces."""
        return " ".join(word.text for word in self.words)


class BeamDecoder:
    """The lexicon and language model of one package; shared by all callers, never changes."""

    def __init__(self, package: Package, vocabulary: Vocabulary) -> None:
        """Raises PackageError when the language model cannot be read."""
        self._pieces = vocabulary.pieces
        words = package.path(WORDS).read_text(encoding="utf-8").split()
        self._words = Dictionary([*words, _UNKNOWN_WORD])
        try:
            self._language_model = KenLM(str(package.path(LANGUAGE_MODEL)), self._words)
        except RuntimeError as error:
            raise PackageError(f"{package.path(LANGUAGE_MODEL)} is not a readable KenLM model: {error}") from error
        self._lexicon = self._trie_of(words, vocabulary)
        self._decoder = self._decoder_of(package.config.decoding)

    def tuned(self, tuning: DecodingConfig) -> BeamDecoder:
        """The same lexicon and language model with other weights."""
        other = copy.copy(self)
        other._decoder = self._decoder_of(tuning)
        return other

    def decode(self, log_probs: Tensor, *, count: int = 1) -> list[Hypothesis]:
        """[outputs, V] float32 log probabilities on the CPU -> the `count` best different readings, best first."""
        emissions = log_probs.contiguous()
        found = self._decoder.decode(emissions.data_ptr(), *emissions.shape)
        hypotheses: dict[str, Hypothesis] = {}
        for result in found:
            hypothesis = Hypothesis(self._timed_words(result.tokens), result.score)
            hypotheses.setdefault(hypothesis.text, hypothesis)
            if len(hypotheses) == count:
                break
        return list(hypotheses.values())

    def _timed_words(self, path: Sequence[int]) -> tuple[TimedWord, ...]:
        """Words of a best path; it holds one symbol an output between a first and a last extra one."""
        words: list[TimedWord] = []
        previous = BLANK
        for output, symbol in enumerate(path[1:-1]):
            if symbol not in (BLANK, previous):
                piece = self._pieces[symbol]
                if piece.startswith(WORD_START):
                    words.append(TimedWord(piece.removeprefix(WORD_START), output, output))
                else:
                    last = words[-1]
                    words[-1] = TimedWord(last.text + piece, last.first_output, output)
            previous = symbol
        return tuple(words)

    def _trie_of(self, words: list[str], vocabulary: Vocabulary) -> Trie:
        start = self._language_model.start(False)
        trie = Trie(len(self._pieces), _SILENCE)
        for word, spelling in zip(words, vocabulary.encode_all(words), strict=True):
            index = self._words.get_index(word)
            _, score = self._language_model.score(start, index)
            trie.insert(spelling, index, score)
        trie.smear(SmearingMode.MAX)
        return trie

    def _decoder_of(self, tuning: DecodingConfig) -> LexiconDecoder:
        options = LexiconDecoderOptions(
            beam_size=tuning.beam_size,
            beam_size_token=tuning.beam_tokens,
            beam_threshold=tuning.beam_threshold,
            lm_weight=tuning.language_model_weight,
            word_score=tuning.word_bonus,
            unk_score=_IMPOSSIBLE,
            sil_score=0.0,
            log_add=False,
            criterion_type=CriterionType.CTC,
        )
        unknown = self._words.get_index(_UNKNOWN_WORD)
        return LexiconDecoder(options, self._lexicon, self._language_model, _SILENCE, BLANK, unknown, [], False)
