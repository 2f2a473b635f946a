"""CTC beam search over a pronunciation lexicon with a word n-gram language model (flashlight-text), for final results.

The search holds Python's global lock while it runs; `pool.py` runs it in other processes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import torch
from flashlight.lib.text.decoder import CriterionType, LexiconDecoder, LexiconDecoderOptions, SmearingMode, Trie
from torch import Tensor
from torch.nn import functional as F

from models.decoding.hints import HintedLexicon, PhoneIds, SearchWeights, add_phrases
from models.decoding.interim import InterimSearch, interim_tuning
from models.decoding.phrases import HintedWord, Phrase
from models.decoding.spelling import SpellingRules
from models.decoding.timed_words import PathReader, TimedWord
from models.decoding.word_model import WordModel
from models.errors import PackageError
from models.package import LANGUAGE_MODEL, LEXICON, SPELLING, DecodingConfig, Package
from models.vocabulary import BLANK

# flashlight wants a symbol for the silence between words. Phones have none: it is a last column that never wins. (Were
# it the blank, each hypothesis would stand in the beam twice with the same score, and chance would choose among them.)
_NEVER = -1e9
_ALWAYS = 1e9
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
    """flashlight's decoder for one tuning, and for one caller's phrases if there are any; reader: of its paths."""

    decoder: LexiconDecoder
    tuning: DecodingConfig
    reader: PathReader

    def emissions(self, log_probs: Tensor) -> Tensor:
        """[outputs, P] -> [outputs, P + 1 + more], contiguous: what flashlight searches in.

        More are the phrases' columns, and one for each symbol that flashlight tries at an output. It tries as many
        everywhere, though mostly two or three are probable, and asks the language model about each word that ends with
        one. So where few are probable, columns that no word contains come first and take the others' places.
        """
        emissions = F.pad(log_probs, (0, 1), value=_NEVER)
        emissions[:, BLANK] -= self.tuning.blank_penalty
        hinted = self.reader.hinted
        if hinted is not None:
            emissions = torch.cat([emissions, hinted.columns(log_probs)], dim=1)
        places = self.tuning.beam_tokens
        probable = (emissions[:, 1:] >= self.tuning.least_log_prob).sum(dim=1, keepdim=True)
        is_taken = torch.arange(places) < places - (1 + probable)  # one is the blank's
        return torch.cat([emissions, torch.where(is_taken, _ALWAYS, _NEVER)], dim=1)


class BeamDecoder:
    """The lexicon and language model of one package; shared by all callers, never changes."""

    def __init__(self, package: Package) -> None:
        """Raises PackageError when the lexicon, the spelling rules or the language model cannot be used."""
        lexicon = _read_lexicon(package)
        self._package = package
        self._phone_ids = {phone: number for number, phone in enumerate(package.config.phones, start=1)}
        self._silence = 1 + len(package.config.phones)
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
        emissions = search.emissions(log_probs)
        hypotheses: dict[str, Hypothesis] = {}
        worst = _IMPOSSIBLE
        for result in search.decoder.decode(emissions.data_ptr(), *emissions.shape):
            if len(hypotheses) >= count and result.score < worst:
                break
            # Both hold an extra entry before the first and after the last output.
            words = search.reader.read(result.tokens[1:-1], result.words[1:-1], log_probs)
            hypothesis = Hypothesis(words, result.score)
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
        words = partial(search.reader.read, joins_phrases=True)
        return InterimSearch(search.decoder, search.emissions, words, output_s=output_s)

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
        phones = (*range(self._silence), BLANK)
        if not hints:
            reader = PathReader(self._words, phones, self._silence)
            return _Search(self._decoder(tuning, self._trie), tuning, reader)
        hinted = self._hinted(SearchWeights(tuning.language_model_weight, tuning.word_bonus), hints)
        reader = PathReader(self._words, (*phones, *hinted.phones.tolist()), self._silence, hinted)
        tuning = replace(
            tuning,
            # Phrases run ahead of everything else by their bonus until it turns out that they are not said.
            beam_threshold=tuning.beam_threshold + hinted.largest_bonus,
            beam_tokens=tuning.beam_tokens + len(hinted.phones),
        )
        return _Search(self._decoder(tuning, hinted.trie), tuning, reader)

    def _new_hinted(self, weights: SearchWeights, hints: tuple[Phrase, ...]) -> HintedLexicon:
        first_column = self._silence + 1
        return add_phrases(
            self._trie, hints, self.pronounce, self._words, weights, first_column=first_column, root=self._silence
        )

    def _decoder(self, tuning: DecodingConfig, trie: Trie) -> LexiconDecoder:
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
        words = self._words
        return LexiconDecoder(options, trie, words.n_grams, self._silence, BLANK, words.unknown, [], False)


def _read_lexicon(package: Package) -> list[tuple[str, PhoneIds]]:
    """(word, ids of its phones), one a line of the file; a word may stand in several lines."""
    ids = {phone: number for number, phone in enumerate(package.config.phones, start=1)}
    lines = package.path(LEXICON).read_text(encoding="utf-8").splitlines()
    try:
        return [(word, tuple(ids[phone] for phone in phones)) for word, *phones in (line.split() for line in lines)]
    except (KeyError, ValueError) as error:
        raise PackageError(f"{package.path(LEXICON)} does not fit the model's phones: {error}") from error
