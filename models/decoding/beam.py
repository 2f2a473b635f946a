"""CTC beam search over a pronunciation lexicon with a word n-gram language model (flashlight-text), for final results.

The search holds Python's global lock while it runs; `pool.py` runs it in other processes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from flashlight.lib.text.decoder import CriterionType, LexiconDecoder, LexiconDecoderOptions, SmearingMode, Trie
from torch import Tensor
from torch.nn import functional as F

from models.decoding.hints import HintedLexicon, PhoneIds, SearchWeights, add_phrases
from models.decoding.interim import InterimSearch, interim_tuning
from models.decoding.phrases import HintedWord, Phrase
from models.decoding.spelling import SpellingRules
from models.decoding.timed_words import TimedWord
from models.decoding.word_model import WordModel
from models.errors import PackageError
from models.package import LANGUAGE_MODEL, LEXICON, SPELLING, DecodingConfig, Package
from models.vocabulary import BLANK

# flashlight wants a symbol for the silence between words. Phones have none: it is a last column that never wins. (Were
# it the blank, each hypothesis would stand in the beam twice with the same score, and chance would choose among them.)
_NEVER = -1e9
# flashlight keeps so many words of one pronunciation; the lexicon has the most frequent first.
_MAX_HOMOPHONES = 6
_IMPOSSIBLE = float("-inf")
_KEPT_SEARCHES = 8  # of callers with wishes of their own
_KEPT_LEXICONS = 32  # with callers' phrases; interim text needs one at each utterance's beginning


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One reading: words in order and the total log score (acoustic and language model, and bonuses)."""

    words: tuple[TimedWord, ...]
    score: float

    @property
    def text(self) -> str:
        """The words with single spaces."""
        return " ".join(word.text for word in self.words)


@dataclass(frozen=True, slots=True)
class _Search:
    """flashlight's decoder for one tuning, and for one caller's phrases if there are any."""

    decoder: LexiconDecoder
    tuning: DecodingConfig
    hinted: HintedLexicon | None = None


@dataclass(slots=True)
class _Phone:
    """A phone on a path: where it begins, and the best log probability of its outputs."""

    symbol: int
    output: int
    log_prob: float


class BeamDecoder:
    """The lexicon and language model of one package; shared by all callers, never changes."""

    def __init__(self, package: Package) -> None:
        """Raises PackageError when the lexicon, the spelling rules or the language model cannot be used."""
        lexicon = _read_lexicon(package)
        self._package = package
        self._phone_ids = {phone: number for number, phone in enumerate(package.config.phones, start=1)}
        self._silence = 1 + len(package.config.phones)
        self._columns = [*range(self._silence), BLANK]  # the phone of each
        self._words = WordModel(package.path(LANGUAGE_MODEL), (word for word, _ in lexicon))
        self._trie = self._trie_of(lexicon)
        self._pronunciations: dict[str, list[PhoneIds]] = defaultdict(list)
        for word, phones in lexicon:
            self._pronunciations[word].append(phones)
        self._spelling = SpellingRules.read(package.path(SPELLING))
        self._search = lru_cache(_KEPT_SEARCHES)(self._new_search)
        self._hinted = lru_cache(_KEPT_LEXICONS)(self._new_hinted)
        self._tuned = self._new_search(package.config.decoding, ())

    def decode(
        self, log_probs: Tensor, *, count: int = 1, tuning: DecodingConfig | None = None, hints: tuple[Phrase, ...] = ()
    ) -> list[Hypothesis]:
        """[outputs, P] float32 log probabilities of phones, on the CPU -> the `count` best readings, best first.

        tuning: instead of the package's. hints: phrases that are more likely than elsewhere.
        """
        own = self._package.config.decoding
        search = self._search(tuning or own, hints) if hints or tuning not in (None, own) else self._tuned
        emissions = _emissions(log_probs, tuning or own, search.hinted)
        phones = self._phones_of_columns(search.hinted)
        hypotheses: dict[str, Hypothesis] = {}
        worst = _IMPOSSIBLE
        for result in search.decoder.decode(emissions.data_ptr(), *emissions.shape):
            if len(hypotheses) >= count and result.score < worst:
                break
            # Both hold an extra entry before the first and after the last output.
            path, ends = result.tokens[1:-1], result.words[1:-1]
            said = _of_path(log_probs, path, phones)
            hypothesis = Hypothesis(self._timed_words(path, ends, said, search.hinted), result.score)
            hypotheses.setdefault(hypothesis.text, hypothesis)
            worst = result.score
        # flashlight orders hypotheses of one score by the addresses of their states, that is by chance. Homophones that
        # the quantized language model holds for equally likely have one score.
        return sorted(hypotheses.values(), key=lambda own: (-own.score, own.text))[:count]

    def interim(self, *, output_s: float, hints: tuple[Phrase, ...] = ()) -> InterimSearch:
        """The search for the interim text of a new utterance. output_s: from one output of the model to the next.

        hints: as in `decode`.
        """
        search = self._new_search(interim_tuning(self._package.config.decoding), hints)
        phones = self._phones_of_columns(search.hinted)

        def words(path: Sequence[int], ends: Sequence[int], log_probs: Tensor) -> Sequence[TimedWord]:
            said = _of_path(log_probs, path, phones)
            return self._timed_words(path, ends, said, search.hinted, joins_phrases=True)

        return InterimSearch(
            search.decoder,
            lambda log_probs: _emissions(log_probs, search.tuning, search.hinted),
            words,
            output_s=output_s,
        )

    def pronounce(self, word: HintedWord) -> list[PhoneIds]:
        """How a word may be said: as the lexicon knows, letter by letter, or by the rules of spelling."""
        if (known := self._pronunciations.get(word.text)) is not None:
            return known
        letters = [self._pronunciations.get(letter) for letter in word.text]
        spelled = [tuple(phone for own in letters if own for phone in own[0])] if all(letters) else []
        if word.is_initialism and spelled:
            return spelled
        ruled = [tuple(self._phone_ids[phone] for phone in own) for own in self._spelling.pronounce(word.text)]
        return ruled or spelled

    def _timed_words(
        self,
        path: Sequence[int],
        ends: Sequence[int],
        log_probs: Sequence[float],
        hinted: HintedLexicon | None,
        *,
        joins_phrases: bool = False,
    ) -> tuple[TimedWord, ...]:
        """Words of a best path: one symbol an output, and a word's number where its last phone begins, else -1.

        log_probs: of the symbols' phones. joins_phrases: a phrase is given as if it were one word.
        """
        words: list[TimedWord] = []
        phones: list[_Phone] = []  # of the word in progress
        previous = BLANK
        for output, (symbol, word, log_prob) in enumerate(zip(path, ends, log_probs, strict=True)):
            if symbol not in (BLANK, self._silence):
                if symbol != previous or not phones:
                    phones.append(_Phone(symbol, output, log_prob))
                else:
                    phones[-1].log_prob = max(phones[-1].log_prob, log_prob)
            if word >= 0:
                if hinted is None or symbol <= self._silence:
                    words.append(_timed_word(self._words.word(word), phones))
                else:
                    words += _phrase_of(phones, hinted, is_one=joins_phrases)
                phones = []
            previous = symbol
        return tuple(words)

    def _phones_of_columns(self, hinted: HintedLexicon | None) -> list[int]:
        """The phone of each symbol that a search finds."""
        return self._columns if hinted is None else [*self._columns, *hinted.phones.tolist()]

    def _trie_of(self, lexicon: Iterable[tuple[str, PhoneIds]]) -> Trie:
        trie = Trie(self._silence + 1, self._silence)
        homophones: Counter[PhoneIds] = Counter()
        for word, phones in lexicon:
            homophones[phones] += 1
            if homophones[phones] <= _MAX_HOMOPHONES:
                number = self._words.number(word)
                trie.insert(phones, number, self._words.first_score(number))
        trie.smear(SmearingMode.MAX)
        return trie

    def _new_search(self, tuning: DecodingConfig, hints: tuple[Phrase, ...]) -> _Search:
        if not hints:
            return _Search(self._decoder(tuning, self._trie), tuning)
        hinted = self._hinted(SearchWeights(tuning.language_model_weight, tuning.word_bonus), hints)
        return _Search(self._decoder(tuning, hinted.trie, more_symbols=len(hinted.phones)), tuning, hinted)

    def _new_hinted(self, weights: SearchWeights, hints: tuple[Phrase, ...]) -> HintedLexicon:
        first_column = self._silence + 1
        return add_phrases(
            self._trie, hints, self.pronounce, self._words, weights, first_column=first_column, root=self._silence
        )

    def _decoder(self, tuning: DecodingConfig, trie: Trie, more_symbols: int = 0) -> LexiconDecoder:
        options = LexiconDecoderOptions(
            beam_size=tuning.beam_size,
            beam_size_token=tuning.beam_tokens + more_symbols,
            beam_threshold=tuning.beam_threshold,
            lm_weight=tuning.language_model_weight,
            word_score=tuning.word_bonus,
            unk_score=_IMPOSSIBLE,
            sil_score=0.0,
            log_add=False,
            criterion_type=CriterionType.CTC,
        )
        words = self._words
        return LexiconDecoder(options, trie, words.n_grams, self._silence, BLANK, words.unknown, [], False)


def _emissions(log_probs: Tensor, tuning: DecodingConfig, hinted: HintedLexicon | None) -> Tensor:
    """[outputs, P] -> [outputs, P + 1], and the phrases' columns; contiguous: what flashlight searches in."""
    emissions = F.pad(log_probs, (0, 1), value=_NEVER)
    emissions[:, BLANK] -= tuning.blank_penalty
    return emissions if hinted is None else torch.cat([emissions, hinted.columns(log_probs)], dim=1)


def _of_path(log_probs: Tensor, path: Sequence[int], phones: Sequence[int]) -> list[float]:
    """Log probabilities of a path's symbols. phones: of each column."""
    symbols = torch.tensor([phones[symbol] for symbol in path], dtype=torch.long)
    said: list[float] = log_probs[torch.arange(len(path)), symbols].tolist()
    return said


def _timed_word(text: str, phones: Sequence[_Phone]) -> TimedWord:
    log_prob = sum(phone.log_prob for phone in phones) / len(phones)
    return TimedWord(text, phones[0].output, phones[-1].output, log_prob)


def _phrase_of(phones: Sequence[_Phone], hinted: HintedLexicon, *, is_one: bool) -> list[TimedWord]:
    """The words of the phrase that these phones say; is_one: as one."""
    spoken = hinted.words_of(tuple(phone.symbol for phone in phones))
    if is_one:
        return [_timed_word(" ".join(word.text for word in spoken), phones)]
    words, at = [], 0
    for word in spoken:
        words.append(_timed_word(word.text, phones[at : at + word.phones]))
        at += word.phones
    return words


def _read_lexicon(package: Package) -> list[tuple[str, PhoneIds]]:
    """(word, ids of its phones), one a line of the file; a word may stand in several lines."""
    ids = {phone: number for number, phone in enumerate(package.config.phones, start=1)}
    lines = package.path(LEXICON).read_text(encoding="utf-8").splitlines()
    try:
        return [(word, tuple(ids[phone] for phone in phones)) for word, *phones in (line.split() for line in lines)]
    except (KeyError, ValueError) as error:
        raise PackageError(f"{package.path(LEXICON)} does not fit the model's phones: {error}") from error
