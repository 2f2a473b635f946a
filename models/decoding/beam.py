"""CTC beam search over a pronunciation lexicon with a word n-gram language model (flashlight-text), for final results.

The search holds Python's global lock while it runs; `pool.py` runs it in other processes.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from flashlight.lib.text.decoder import CriterionType, LexiconDecoder, LexiconDecoderOptions, SmearingMode, Trie
from flashlight.lib.text.decoder.kenlm import KenLM
from flashlight.lib.text.dictionary import Dictionary
from torch import Tensor
from torch.nn import functional as F

from models.errors import PackageError
from models.package import LANGUAGE_MODEL, LEXICON, DecodingConfig, Package
from models.vocabulary import BLANK

# flashlight wants a symbol for the silence between words. Phones have none: it is a last column that never wins. (Were
# it the blank, each hypothesis would stand in the beam twice with the same score, and chance would choose among them.)
_NEVER = -1e9
# flashlight keeps so many words of one pronunciation; the lexicon has the most frequent first.
_MAX_HOMOPHONES = 6
_UNKNOWN_WORD = "<unk>"
_IMPOSSIBLE = float("-inf")


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word with the model outputs at which its first and its last phone begin."""

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

    def __init__(self, package: Package) -> None:
        """Raises PackageError when the lexicon or the language model cannot be used."""
        lexicon = _read_lexicon(package)
        self._silence = 1 + len(package.config.phones)
        self._words = Dictionary([*dict.fromkeys(word for word, _ in lexicon), _UNKNOWN_WORD])
        try:
            self._language_model = KenLM(str(package.path(LANGUAGE_MODEL)), self._words)
        except RuntimeError as error:
            raise PackageError(f"{package.path(LANGUAGE_MODEL)} is not a readable KenLM model: {error}") from error
        self._trie = self._trie_of(lexicon, symbols=self._silence + 1)
        self._decoder = self._decoder_of(package.config.decoding)

    def tuned(self, tuning: DecodingConfig) -> BeamDecoder:
        """The same lexicon and language model with other weights."""
        other = copy.copy(self)
        other._decoder = self._decoder_of(tuning)
        return other

    def decode(self, log_probs: Tensor, *, count: int = 1) -> list[Hypothesis]:
        """[outputs, P] float32 log probabilities of phones, on the CPU -> the `count` best readings, best first."""
        emissions = F.pad(log_probs, (0, 1), value=_NEVER)
        hypotheses: dict[str, Hypothesis] = {}
        worst = _IMPOSSIBLE
        for result in self._decoder.decode(emissions.data_ptr(), *emissions.shape):
            if len(hypotheses) >= count and result.score < worst:
                break
            hypothesis = Hypothesis(self._timed_words(result.tokens, result.words), result.score)
            hypotheses.setdefault(hypothesis.text, hypothesis)
            worst = result.score
        # flashlight orders hypotheses of one score by the addresses of their states, that is by chance. Homophones that
        # the quantized language model holds for equally likely have one score.
        return sorted(hypotheses.values(), key=lambda own: (-own.score, own.text))[:count]

    def _timed_words(self, path: Sequence[int], ends: Sequence[int]) -> tuple[TimedWord, ...]:
        """Words of a best path: one symbol an output, and a word's number where its last phone begins, else -1.

        Both hold an extra entry before the first and after the last output.
        """
        words: list[TimedWord] = []
        first: int | None = None
        previous = BLANK
        for output, (symbol, word) in enumerate(zip(path[1:-1], ends[1:-1], strict=True)):
            if first is None and symbol not in (BLANK, self._silence, previous):
                first = output
            if word >= 0:
                words.append(TimedWord(self._words.get_entry(word), output if first is None else first, output))
                first = None
            previous = symbol
        return tuple(words)

    def _trie_of(self, lexicon: Iterable[tuple[str, list[int]]], symbols: int) -> Trie:
        start = self._language_model.start(False)
        trie = Trie(symbols, self._silence)
        homophones: Counter[tuple[int, ...]] = Counter()
        for word, phones in lexicon:
            homophones[tuple(phones)] += 1
            if homophones[tuple(phones)] > _MAX_HOMOPHONES:
                continue
            index = self._words.get_index(word)
            _, score = self._language_model.score(start, index)
            trie.insert(phones, index, score)
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
        return LexiconDecoder(options, self._trie, self._language_model, self._silence, BLANK, unknown, [], False)


def _read_lexicon(package: Package) -> list[tuple[str, list[int]]]:
    """(word, ids of its phones), one a line of the file; a word may stand in several lines."""
    ids = {phone: number for number, phone in enumerate(package.config.phones, start=1)}
    lines = package.path(LEXICON).read_text(encoding="utf-8").splitlines()
    try:
        return [(word, [ids[phone] for phone in phones]) for word, *phones in (line.split() for line in lines)]
    except (KeyError, ValueError) as error:
        raise PackageError(f"{package.path(LEXICON)} does not fit the model's phones: {error}") from error
