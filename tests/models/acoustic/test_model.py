"""The two ways through the acoustic model agree with each other and do not mix utterances."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from models.acoustic.model import AcousticConfig, AcousticModel
from models.acoustic.recurrent import CELLS, GATES
from models.acoustic.state import AcousticState, ChunkShape, step_count

FRAMES = 333
OUTPUTS_PER_STEP = 2
SHAPES = [ChunkShape(1, 1), ChunkShape(2, 2), ChunkShape(4, 4), ChunkShape(3, 0), ChunkShape(8, 8)]


@pytest.fixture(scope="module", params=CELLS)
def model(request: pytest.FixtureRequest) -> AcousticModel:
    torch.manual_seed(0)
    return AcousticModel(
        AcousticConfig(
            channels=8, hidden=24, layers=3, vocabulary=20, outputs_per_step=OUTPUTS_PER_STEP, cell=request.param
        )
    ).eval()


@pytest.fixture(scope="module")
def frames() -> torch.Tensor:
    return torch.randn(1, FRAMES, 80, generator=torch.Generator().manual_seed(1))


@torch.inference_mode()
def stream(model: AcousticModel, frames: torch.Tensor, shape: ChunkShape) -> torch.Tensor:
    """All complete chunks of one recording, window by window."""
    state, pieces, step = model.initial_state(), [], 0
    while (border := shape.window_of(step))[1] <= frames.shape[1]:
        start, stop = border
        window = F.pad(frames[:, max(start, 0) : stop], (0, 0, max(-start, 0), 0))
        log_probs, state = model.forward_chunk(window, state, shape)
        pieces.append(log_probs)
        step += shape.chunk_steps
    return torch.cat(pieces, dim=1)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_chunk_by_chunk_equals_the_simulated_stream(
    model: AcousticModel, frames: torch.Tensor, shape: ChunkShape
) -> None:
    streamed = stream(model, frames, shape)
    with torch.inference_mode():
        simulated = model(frames, torch.tensor([FRAMES]), shape).phones
    assert streamed.shape[1] > 0
    torch.testing.assert_close(streamed, simulated[:, : streamed.shape[1]], atol=1e-5, rtol=1e-4)


def test_one_chunk_over_everything_equals_the_whole_utterance(model: AcousticModel, frames: torch.Tensor) -> None:
    length = torch.tensor([FRAMES])
    with torch.inference_mode():
        whole = model(frames, length)
        chunked = model(frames, length, ChunkShape(step_count(FRAMES), 0))
    torch.testing.assert_close(chunked.letters, whole.letters, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(chunked.phones, whole.phones, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("shape", [None, ChunkShape(4, 4)], ids=str)
def test_padding_and_neighbors_do_not_change_an_utterance(model: AcousticModel, shape: ChunkShape | None) -> None:
    lengths = torch.tensor([200, 333, 8, 77])
    batch = torch.randn(4, 333, 80, generator=torch.Generator().manual_seed(2))
    for row, length in zip(batch, lengths, strict=True):
        row[length:] = 0
    with torch.inference_mode():
        run = (lambda *x: model(*x, shape)) if shape else model
        together = run(batch, lengths)
        for row, length in enumerate(lengths):
            alone = run(batch[row : row + 1, :length], lengths[row : row + 1])
            outputs = step_count(int(length)) * OUTPUTS_PER_STEP
            assert together.lengths[row] == alone.lengths[0] == outputs
            torch.testing.assert_close(together.letters[row, :outputs], alone.letters[0], atol=1e-5, rtol=1e-4)
            torch.testing.assert_close(together.phones[row, :outputs], alone.phones[0], atol=1e-5, rtol=1e-4)


def test_stack_and_unstack_are_inverses(model: AcousticModel) -> None:
    empty = model.initial_state()
    states = [AcousticState(torch.randn_like(empty.hidden), torch.randn_like(empty.cell)) for _ in range(5)]
    again = AcousticState.stack(states).unstack()
    assert all(
        torch.equal(a.hidden, b.hidden) and torch.equal(a.cell, b.cell) for a, b in zip(states, again, strict=True)
    )


def test_the_future_beyond_the_look_ahead_does_not_matter(model: AcousticModel, frames: torch.Tensor) -> None:
    shape = ChunkShape(4, 4)
    _, stop = shape.window_of(0)
    changed = frames.clone()
    changed[:, stop:] += 1
    first = stream(model, frames, shape)[:, : 4 * OUTPUTS_PER_STEP]
    torch.testing.assert_close(stream(model, changed, shape)[:, : 4 * OUTPUTS_PER_STEP], first)


def test_log_probabilities_sum_to_one(model: AcousticModel, frames: torch.Tensor) -> None:
    with torch.inference_mode():
        emissions = model(frames, torch.tensor([FRAMES]))
    for log_probs in (emissions.letters, emissions.phones):
        torch.testing.assert_close(log_probs.exp().sum(-1), torch.ones(log_probs.shape[:2]))


def test_only_lstms_carry_a_cell(model: AcousticModel, frames: torch.Tensor) -> None:
    shape = ChunkShape(2, 2)
    with torch.inference_mode():
        _, state = model.forward_chunk(frames[:, : shape.window_frames], model.initial_state(), shape)
    assert state.hidden.shape == (3, 1, 24)
    assert state.cell.shape == (3, 1, 24 if model.config.cell == "lstm" else 0)


def test_every_gate_of_a_cell_has_its_rows(model: AcousticModel) -> None:
    weights = [w for name, w in model.named_parameters() if "_lstm.weight" in name]
    assert len(weights) == 3 * 2 * 2
    assert {len(w) for w in weights} == {24 * GATES[model.config.cell]}


def test_a_model_without_a_cell_in_its_configuration_is_an_lstm() -> None:
    layer = AcousticModel(AcousticConfig(channels=2, hidden=4, layers=1)).layers[0]
    assert isinstance(layer.get_submodule("forward_lstm"), torch.nn.LSTM)


def test_an_unknown_cell_is_refused() -> None:
    with pytest.raises(ValueError, match=r"cell is 'ltsm'; use one of \['lstm', 'gru', 'rnn'\]"):
        AcousticConfig(cell="ltsm")
