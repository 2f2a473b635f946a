"""One run of a speller's training: updates from text and from speech, averaged weights, error rates.

What text it is and how long it takes is `train_speller.py`'s.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import jiwer
import numpy as np
import torch
from torch import Tensor

from models.acoustic.model import Emissions
from models.acoustic.speller import Speller, SpellerConfig, padded, steps_of
from models.decoding.greedy import greedy_ids
from models.training.loss import symbol_loss
from models.training.optimizers import optimizers_of
from models.training.phone_bank import PhoneBank, Snippets
from models.training.recipe import ScheduleConfig
from models.training.schedule import learning_rate
from models.training.speller_text import SpellerText
from models.vocabulary import Vocabulary

_REAL_SHARE = 0.15  # of the batches are speech itself
_STEPS_PER_WORD = 5
_LENGTHS = ((4, 0.0), (8, 2e5), (16, 1e6), (24, 2e6), (40, 3e6))  # words of a sentence, from so many words of text on


class SpellerTrainer:
    """One run: speller, averaged weights, optimizers, text, snippets."""

    def __init__(
        self,
        config: SpellerConfig,
        schedule: ScheduleConfig,
        text: SpellerText,
        snippets: Snippets,
        pieces: Vocabulary,
        batch_steps: int,
        phone_error_rate: float,
        device: torch.device,
    ) -> None:
        self.schedule, self.text, self.pieces, self.device = schedule, text, pieces, device
        self.batch_steps = batch_steps
        torch.manual_seed(schedule.seed)
        self.speller = Speller(config).to(device)
        self.averaged = Speller(config).to(device).eval()
        self.averaged.load_state_dict(self.speller.state_dict())
        self.optimizers = optimizers_of(self.speller, "lstm", schedule)
        self.bank = PhoneBank(snippets, config.phones, phone_error_rate, device)
        self.update, self.words = 0, 0.0
        self.losses: list[float] = []
        self._random = np.random.default_rng(schedule.seed)
        self._dice = torch.Generator(device).manual_seed(schedule.seed)
        self._real = _RealUtterances(snippets, pieces, config.outputs_per_step)

    def step(self, progress: float) -> None:
        """One update at `progress` (0 to 1) of the run."""
        words = int(self._random.choice([own for own, after in _LENGTHS if self.words >= after]))
        count = max(1, self.batch_steps // (words * _STEPS_PER_WORD))
        if self._random.random() < _REAL_SHARE:
            features, counts, targets, target_counts = self._real.batch(self.batch_steps, self._random, self.device)
        else:
            window = self.text.windows(count, words, self._dice)
            flat = window.flatten()
            phone_counts = self.text.phones.counts[window].sum(dim=1)
            drawn = self.bank.draw(self.text.phones.take(flat), self.text.places.take(flat), phone_counts, self._dice)
            features, counts = drawn
            targets, target_counts = self.text.pieces.take(flat), self.text.pieces.counts[window].sum(dim=1)
            self.words += flat.numel()
        rate = learning_rate(self.update, progress, self.schedule)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.zero_grad(set_to_none=True)
        self.speller.train()
        with self._autocast():
            log_probs, lengths = self.speller(padded(features, counts), counts)
        loss: Tensor = symbol_loss(log_probs, lengths, targets, target_counts)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.speller.parameters(), self.schedule.gradient_clip)
        if torch.isfinite(norm):
            for optimizer in self.optimizers:
                optimizer.step()
        self.update += 1
        self.losses.append(float(loss.detach()))
        decay = min(self.schedule.average_decay, (1 + self.update) / (10 + self.update))
        with torch.no_grad():
            for mean, now in zip(self.averaged.parameters(), self.speller.parameters(), strict=True):
                mean.lerp_(now, 1 - decay)

    @torch.inference_mode()
    def error_rate(self, heard: list[Emissions], texts: list[list[str]]) -> tuple[float, str]:
        """Word error rate of batches whose phones were heard so, and one of the texts."""
        hypotheses = []
        for emissions in heard:
            steps = steps_of(emissions.phones, emissions.lengths)
            log_probs, lengths = self.averaged(steps.padded(), steps.counts)
            for row, length in zip(log_probs.cpu(), lengths.tolist(), strict=True):
                hypotheses.append(self.pieces.decode([symbol for _, symbol in greedy_ids(row[:length])]))
        references = [text for batch in texts for text in batch]
        return jiwer.wer(references, hypotheses), hypotheses[len(hypotheses) // 2]

    def _autocast(self) -> Any:
        # On a GPU autocast would compute the LSTM in float16.
        is_plain = self.schedule.precision == "float32" or self.device.type == "cuda"
        return nullcontext() if is_plain else torch.autocast(self.device.type, dtype=torch.bfloat16)


class _RealUtterances:
    """The speech itself: steps of whole utterances and the pieces of their texts."""

    def __init__(self, snippets: Snippets, pieces: Vocabulary, outputs_per_step: int) -> None:
        firsts = (snippets.left == 0).nonzero().squeeze(1)
        lasts = torch.cat([firsts[1:] - 1, torch.tensor([len(snippets.left) - 1])])
        self._begin, self._end = snippets.begin[firsts].numpy(), snippets.end[lasts].numpy()
        self._features = snippets.features
        self._pieces = [torch.tensor(pieces.encode(text)) for text in snippets.texts]
        fits = [
            i
            for i, own in enumerate(self._pieces)
            if 0 < len(own) <= (self._end[i] - self._begin[i]) * outputs_per_step
        ]
        self._by_length = np.array(sorted(fits, key=lambda i: self._end[i] - self._begin[i]))

    def batch(
        self, steps: int, random: np.random.Generator, device: torch.device
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Features and counts, pieces and counts of utterances of similar length."""
        at = int(random.integers(len(self._by_length)))
        longest = self._end[self._by_length[at]] - self._begin[self._by_length[at]]
        own = self._by_length[max(0, at + 1 - max(1, steps // int(longest))) : at + 1]
        features = torch.cat([self._features[self._begin[i] : self._end[i]] for i in own])
        counts = torch.from_numpy(self._end[own] - self._begin[own])
        pieces = [self._pieces[i] for i in own]
        return (
            features.to(device),
            counts.to(device),
            torch.cat(pieces).to(device),
            torch.tensor([len(p) for p in pieces], device=device),
        )
