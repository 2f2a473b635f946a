"""Text gets what was heard of its phones between the same neighbors; a speller learns to spell from that."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.acoustic.model import Emissions
from models.acoustic.speller import SpellerConfig, padded, steps_of
from models.training.phone_bank import PhoneBank, joined, snippets_of
from models.training.recipe import ScheduleConfig
from models.training.speller_text import SpellerText, word_places, write_text
from models.training.speller_trainer import SpellerTrainer
from models.training.units import train_units
from models.vocabulary import Vocabulary
from tests.models.acoustic.test_speller import heard

CPU = torch.device("cpu")
PHONES = 5
SAID = {"bat": (1, 2, 3), "tab": (3, 2, 1), "abba": (2, 1, 1, 2), "cab": (4, 2, 1)}
WORDS = ["bat tab abba", "cab bat", "tab cab abba bat", "abba tab"] * 2


def _emissions(texts: list[str]) -> tuple[Emissions, list[torch.Tensor], list[torch.Tensor]]:
    """Each phone lasts for two outputs with a blank after it."""
    phones = [torch.tensor([p for word in text.split() for p in SAID[word]]) for text in texts]
    places = [torch.tensor([p for word in text.split() for p in word_places(len(SAID[word]))]) for text in texts]
    rows = [heard([s for p in own.tolist() for s in (p, p, 0)], PHONES) for own in phones]
    together = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    lengths = torch.tensor([len(row) for row in rows])
    return Emissions(together, together, together, lengths), phones, places


def _bank(error_rate: float = 0.0) -> PhoneBank:
    parts = [snippets_of(*_emissions(WORDS[i : i + 3]), WORDS[i : i + 3]) for i in range(0, len(WORDS), 3)]
    return PhoneBank(joined(parts), PHONES, error_rate, CPU)


def test_snippets_know_their_phones_neighbors_and_steps() -> None:
    snippets = snippets_of(*_emissions(WORDS[:2]), WORDS[:2])
    assert snippets.texts == tuple(WORDS[:2])
    assert snippets.phones.tolist() == [1, 2, 3, 3, 2, 1, 2, 1, 1, 2, 4, 2, 1, 1, 2, 3]
    assert snippets.left.tolist()[:3] == [0, 1, 2] and snippets.right.tolist()[9:11] == [0, 2]
    assert snippets.errors.max() == 0
    best = [
        snippets.features[begin:end, :-1].argmax(dim=1).unique().tolist()
        for begin, end in zip(snippets.begin, snippets.end, strict=True)
    ]
    assert best == [[p] for p in snippets.phones.tolist()]


def test_an_utterance_whose_phones_do_not_fit_is_left_out() -> None:
    emissions, phones, places = _emissions(WORDS[:2])
    short = Emissions(
        emissions.letters, emissions.phones, emissions.frames, torch.tensor([2, int(emissions.lengths[1])])
    )
    assert snippets_of(short, phones, places, WORDS[:2]).texts == (WORDS[1],)


def test_what_is_drawn_is_what_was_heard_of_these_phones() -> None:
    phones, places = torch.tensor([1, 2, 3, 4, 2, 1]), torch.tensor(word_places(3) * 2)
    features, counts = _bank().draw(phones, places, torch.tensor([3, 3]), torch.Generator().manual_seed(1))
    assert counts.tolist() == [3, 3]
    assert features[:, :-1].argmax(dim=1).tolist() == phones.tolist()


def test_a_phone_that_was_never_heard_says_nothing() -> None:
    emissions, phones, places = _emissions(["bat tab"])
    bank = PhoneBank(snippets_of(emissions, phones, places, ["bat tab"]), PHONES, 0.0, CPU)
    _, counts = bank.draw(torch.tensor([4]), torch.tensor([3]), torch.tensor([1]), torch.Generator())
    assert counts.tolist() == [0]


@pytest.mark.parametrize(("wanted", "expected"), [(0.0, 0.09), (0.2, 0.2), (0.5, 0.5), (1.0, 0.91)])
def test_the_drawn_are_as_bad_as_wanted_if_they_can_be(wanted: float, expected: float) -> None:
    snippets = joined([snippets_of(*_emissions(WORDS), WORDS)])
    errors = torch.linspace(0, 1, len(snippets.errors))
    bank = PhoneBank(replace(snippets, errors=errors), PHONES, wanted, CPU)
    drawn = torch.rand(20_000).pow(bank.exponent)
    assert float(errors[(drawn * (len(errors) - 1)).long()].mean()) == pytest.approx(expected, abs=0.03)


def test_a_speller_learns_words_from_text_that_nobody_has_read(tmp_path: Path) -> None:
    train_units(SAID, 0, tmp_path / "units.model")
    pieces = Vocabulary(tmp_path / "units.model")
    names = {word: tuple(map(str, phones)) for word, phones in SAID.items()}
    (tmp_path / "text.txt").write_text("\n".join(["cab tab", "abba bat cab", "unknown word", "tab tab bat"] * 30))
    write_text([tmp_path / "text.txt"], names, tmp_path)
    text = SpellerText(tmp_path, names, {str(i): i for i in range(1, PHONES)}, pieces, CPU)
    snippets = joined([snippets_of(*_emissions(WORDS), WORDS)])
    schedule = ScheduleConfig(learning_rate=1e-2, warmup_updates=5, optimizer="muon", average_decay=0.8)
    config = SpellerConfig(PHONES, len(pieces), hidden=24, layers=1, outputs_per_step=2)
    trainer = SpellerTrainer(config, schedule, text, snippets, pieces, 300, 0.0, CPU)
    for update in range(150):
        trainer.step(update / 150)
    emissions, _, _ = _emissions(["bat cab tab"])
    wrong, written = trainer.error_rate([emissions], [["bat cab tab"]])
    assert (wrong, written) == (0.0, "bat cab tab")


def test_steps_of_a_drawn_sentence_are_padded_as_those_of_speech() -> None:
    emissions, phones, places = _emissions(["cab bat"])
    steps = steps_of(emissions.phones, emissions.lengths)
    features, counts = _bank().draw(phones[0], places[0], torch.tensor([len(phones[0])]), torch.Generator())
    assert padded(features, counts).shape == steps.padded().shape
