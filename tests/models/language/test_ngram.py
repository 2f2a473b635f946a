"""The n-gram estimator against the definition of its smoothing, against hand counts and through the decoder's KenLM."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import DataError
from models.language.arpa import SPECIAL_WORDS, choose_words, encode, write_arpa
from models.language.kneser_ney import (
    BEGIN,
    NGrams,
    Order,
    adjusted_counts,
    count_ngrams,
    discounts,
    estimate,
    train,
)
from models.training.kenlm_binary import find_build_binary, write_binary
from models.training.ngram import measure_perplexity, read_sentences

SENTENCES = [
    line.split()
    for line in (
        "the cat sat on the mat",
        "the dog sat on the log",
        "a cat and a dog sat in the sun",
        "the sun was on the mat",
        "the old cat was in the sun",
        "an old dog sat on a mat in the sun",
    )
]
WORDS = choose_words(SENTENCES, 100)

texts = st.lists(
    st.lists(st.sampled_from(["a", "b", "c", "d", "zzz"]), min_size=1, max_size=6), min_size=1, max_size=12
)


def build(
    sentences: Sequence[list[str]], words: list[str], order: int, threshold: float = 0.0
) -> tuple[list[NGrams], list[Order]]:
    tables = count_ngrams(encode(sentences, words), len(SPECIAL_WORDS) + len(words), order)
    return tables, train(tables, cutoffs=[0] * order, threshold=threshold)


def arpa_probabilities(path: Path) -> dict[tuple[str, ...], tuple[float, float]]:
    """N-gram -> (probability, backoff weight), read without any code of the project."""
    entries = {}
    for line in path.read_text().splitlines():
        fields = line.split("\t")
        if len(fields) >= 2:
            backoff = 10 ** float(fields[2]) if len(fields) == 3 else 1.0
            entries[tuple(fields[1].split())] = (10 ** float(fields[0]), backoff)
    return entries


def backed_off(entries: dict[tuple[str, ...], tuple[float, float]], context: tuple[str, ...], word: str) -> float:
    if (*context, word) in entries:
        return entries[*context, word][0]
    return entries.get(context, (0.0, 1.0))[1] * backed_off(entries, context[1:], word)


@settings(max_examples=60)
@given(
    sentences=texts,
    order=st.integers(2, 4),
    cutoff=st.integers(0, 2),
    threshold=st.sampled_from([0.0, 1e-3, 1e-2, 1.0]),
)
def test_probabilities_after_every_context_sum_to_one(
    tmp_path_factory: pytest.TempPathFactory, sentences: list[list[str]], order: int, cutoff: int, threshold: float
) -> None:
    sentences = [*sentences, list("abcd")]
    words = list("abcd")
    tables = count_ngrams(encode(sentences, words), len(SPECIAL_WORDS) + len(words), order)
    orders = train(tables, cutoffs=[0, *[cutoff] * (order - 1)], threshold=threshold)
    path = tmp_path_factory.mktemp("arpa") / "lm.arpa"
    write_arpa(path, words, tables, orders)
    entries = arpa_probabilities(path)
    contexts = {ngram[:length] for ngram in entries for length in range(order) if ngram[:length][-1:] != ("</s>",)}
    for context in contexts:
        total = sum(backed_off(entries, context, word) for word in ("<unk>", "</s>", *words))
        assert total == pytest.approx(1.0, abs=5e-4), context  # ARPA has five digits of the logarithm
    for ngram in entries:
        assert len(ngram) == 1 or (ngram[:-1] in entries and ngram[1:] in entries)


def test_counts_and_contexts_of_a_small_text_are_the_hand_counted_ones() -> None:
    words = ["a", "b"]
    bigrams = count_ngrams(encode([["a", "b"], ["a", "a"]], words), 5, 2)[1]
    names = [*SPECIAL_WORDS, *words]
    counted = {
        (names[context], names[word]): int(count)
        for context, word, count in zip(bigrams.context, bigrams.word, bigrams.count, strict=True)
    }
    assert counted == {("<s>", "a"): 2, ("a", "a"): 1, ("a", "b"): 1, ("a", "</s>"): 1, ("b", "</s>"): 1}


def test_lower_orders_count_distinct_preceding_words_and_pruned_occurrences() -> None:
    tables = count_ngrams(encode([["a", "b"], ["a", "b"], ["b", "b"]], ["a", "b"]), 5, 2)
    everything = [np.ones(len(table.word), np.bool_) for table in tables]
    unigrams = adjusted_counts(tables, everything)[0]
    assert unigrams.tolist() == [0, 0, 1, 1, 3]  # b after <s>, a and b; </s> after b; a after <s>
    a_b = (tables[1].context == 3) & (tables[1].word == 4)
    unigrams = adjusted_counts(tables, [everything[0], ~a_b])[0]
    assert unigrams[4] == 2 + 2  # "a b" itself was seen twice


def test_discounts_are_those_of_chen_and_goodman() -> None:
    counts = np.repeat([1.0, 2.0, 3.0, 4.0, 9.0], [8, 4, 2, 1, 5])
    y = 8 / (8 + 2 * 4)
    assert discounts(counts) == pytest.approx([0, 1 - 2 * y * 4 / 8, 2 - 3 * y * 2 / 4, 3 - 4 * y * 1 / 2])


def test_a_bigram_has_its_discounted_share_and_what_its_context_leaves_to_the_unigram() -> None:
    tables = count_ngrams(encode([["a", "b"], ["a", "b"], ["a", "a"]], ["a", "b"]), 5, 2)
    everything = [np.ones(len(table.word), np.bool_) for table in tables]
    taken = np.array((0, 0.5, 1.0, 1.5))
    unigrams, bigrams = estimate(tables, everything, [taken, taken])
    # After a: b twice, a once, </s> once. Unigrams by distinct left neighbors: a 2, b 1, </s> 2, of 5.
    lower_b = 0.5 / 5 + (1.0 + 0.5 + 1.0) / 5 / 4
    assert unigrams.probability[4] == pytest.approx(lower_b)
    b_after_a = bigrams.probability[(tables[1].context == 3) & (tables[1].word == 4)]
    assert b_after_a == pytest.approx([(2 - 1.0) / 4 + (1.0 + 0.5 + 0.5) / 4 * lower_b])
    assert unigrams.probability[BEGIN] == 0


def test_a_higher_threshold_keeps_fewer_ngrams() -> None:
    kept = [sum(int(order.kept.sum()) for order in build(SENTENCES, WORDS, 3, limit)[1]) for limit in (0.0, 0.01, 1.0)]
    assert kept[0] > kept[1] > kept[2]
    assert kept[2] == len(WORDS) + len(SPECIAL_WORDS)


def test_ngrams_with_unknown_words_are_not_kept() -> None:
    tables, orders = build([["a", "b", "strange", "a"]], ["a", "b"], 2)
    kept = orders[1].kept
    assert kept.any()
    assert not np.any(tables[1].word[kept] == 0) and not np.any(tables[1].context[kept] == 0)


def test_the_decoders_kenlm_scores_the_arpa_as_estimated(tmp_path: Path) -> None:
    tables, orders = build(SENTENCES, WORDS, 3)
    write_arpa(tmp_path / "lm.arpa", WORDS, tables, orders)
    entries = arpa_probabilities(tmp_path / "lm.arpa")
    sentence = ["the", "cat", "was", "on", "a", "log"]
    history: tuple[str, ...] = ("<s>",)
    expected = 1.0
    for word in [*sentence, "</s>"]:
        expected *= backed_off(entries, history[-2:], word)
        history = (*history, word)
    measured = measure_perplexity(tmp_path / "lm.arpa", WORDS, [sentence])
    assert measured.with_unknown == pytest.approx(expected ** (-1 / 7), rel=1e-4)
    assert measured.unknown_words == 0


def test_context_lowers_the_perplexity(tmp_path: Path) -> None:
    perplexities = []
    for name, threshold in (("trigram", 0.0), ("unigram", 10.0)):
        tables, orders = build(SENTENCES, WORDS, 3, threshold)
        write_arpa(tmp_path / name, WORDS, tables, orders)
        perplexities.append(measure_perplexity(tmp_path / name, WORDS, [["the", "dog", "was", "on", "the", "mat"]]))
    assert perplexities[0].with_unknown < perplexities[1].with_unknown


def test_unknown_words_are_counted_and_left_out_on_request(tmp_path: Path) -> None:
    tables, orders = build(SENTENCES, WORDS, 2)
    write_arpa(tmp_path / "lm.arpa", WORDS, tables, orders)
    measured = measure_perplexity(tmp_path / "lm.arpa", WORDS, [["the", "zebra", "sat"]])
    assert (measured.words, measured.unknown_words, measured.sentences) == (3, 1, 1)
    assert measured.with_unknown > measured.without_unknown


def test_the_quantized_trie_scores_like_the_arpa(tmp_path: Path) -> None:
    if find_build_binary() is None:
        pytest.skip("needs KenLM's build_binary: on the PATH, or compiled by an earlier `models.training.ngram build`")
    tables, orders = build(SENTENCES, WORDS, 3)
    write_arpa(tmp_path / "lm.arpa", WORDS, tables, orders)
    write_binary(tmp_path / "lm.arpa", tmp_path / "lm.bin", bits=8)
    exact, quantized = (measure_perplexity(tmp_path / name, WORDS, SENTENCES) for name in ("lm.arpa", "lm.bin"))
    assert quantized.with_unknown == pytest.approx(exact.with_unknown, rel=0.01)


def test_the_vocabulary_is_the_most_frequent_real_words() -> None:
    sentences = [["b", "a", "b", "'", "3rd", "'tis", "a", "b", "o'er"]]
    assert choose_words(sentences, 3) == ["b", "a", "'tis"]
    assert choose_words(sentences, 10) == ["b", "a", "'tis", "o'er"]


def test_sentences_come_from_lines_and_from_the_last_column_of_a_manifest(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("THE CAT\n\nsat\n")
    (tmp_path / "b.tsv").write_text("utt_id\ttranscript\n1-2\tON A MAT\n")
    paths = [tmp_path / "a.txt", tmp_path / "b.tsv"]
    assert list(read_sentences(paths)) == [["the", "cat"], ["sat"], ["on", "a", "mat"]]


def test_an_empty_text_is_an_error_that_says_so() -> None:
    with pytest.raises(DataError, match="at least one sentence"):
        count_ngrams(encode([], []), len(SPECIAL_WORDS), 3)


def test_sentences_too_short_for_the_order_are_an_error_that_says_so() -> None:
    with pytest.raises(DataError, match="lower the order"):
        build([["a"]], ["a"], 4)
