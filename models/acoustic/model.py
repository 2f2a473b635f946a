"""The acoustic model: convolutional 8x subsampling, bidirectional layers, heads for letters, phones and frames.

Two ways through the same weights: `forward` sees whole utterances; `forward_chunk` is latency-controlled: the forward
direction carries its state from chunk to chunk, the backward direction starts anew at the end of chunk + look-ahead
(Zhang et al. 2016, "Highway long short-term memory RNNs for distant speech recognition"; Xue & Yan 2017, "Improving
latency-controlled BLSTM acoustic models for online speech recognition").
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.acoustic.recurrent import CELLS, BidirectionalLayer
from models.acoustic.state import (
    LEFT_CONTEXT_FRAMES,
    RECEPTIVE_FRAMES,
    STEP_FRAMES,
    STEP_S,
    AcousticState,
    ChunkShape,
    step_count,
)

_STRIDE = 2
_CONVOLUTIONS = 3


@dataclass(frozen=True, slots=True)
class AcousticConfig:
    """Architecture; stored in the model package.

    mel_bins: F. vocabulary: V, letters and the blank. phones: P, phones and the blank. channels: of the convolutions.
    hidden: H, units of one direction. cell: of the recurrent layers, one of CELLS.
    outputs_per_step: the head speaks for so many equal parts of a step (Vanhoucke et al. 2013, "Multiframe deep neural
    networks"): recurrent layers at 80 ms cost half of those at 40 ms, while characters need 40 ms outputs.
    """

    mel_bins: int = 80
    vocabulary: int = 29
    phones: int = 50
    channels: int = 64
    hidden: int = 320
    layers: int = 3
    cell: str = "lstm"
    outputs_per_step: int = 2
    dropout: float = 0.2

    def __post_init__(self) -> None:
        if self.cell not in CELLS:
            raise ValueError(f"cell is {self.cell!r}; use one of {list(CELLS)}")


@dataclass(frozen=True, slots=True)
class Emissions:
    """Log probabilities of whole utterances: letters [B, O, V], phones and frames [B, O, P], lengths [B] of O outputs.

    Letters can be written down as they come (interim text). Phones say more directly what was heard; with a lexicon and
    a language model they give the final text. Both are CTC: a symbol somewhere in its time, blanks around it. Frames
    say for each output which phone it belongs to, or that it is silence (BLANK): they tell when something was said.
    """

    letters: Tensor
    phones: Tensor
    frames: Tensor
    lengths: Tensor


class Subsampling(nn.Module):
    """[B, T, F] -> [B, S, H]: three 3x3 convolutions of stride 2, unpadded in time: a step sees RECEPTIVE_FRAMES."""

    def __init__(self, config: AcousticConfig) -> None:
        super().__init__()
        channels = [1, config.channels // 2, config.channels, config.channels]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(channels[i], channels[i + 1], kernel_size=3, stride=_STRIDE, padding=(0, 1))
            for i in range(_CONVOLUTIONS)
        )
        bands = config.mel_bins
        for _ in range(_CONVOLUTIONS):
            bands = (bands - 1) // _STRIDE + 1
        self.projection = nn.Linear(config.channels * bands, config.hidden)
        self.norm = nn.LayerNorm(config.hidden)

    def forward(self, frames: Tensor) -> Tensor:
        x = frames.unsqueeze(1)
        for convolution in self.convolutions:
            x = F.relu(convolution(x))
        x = x.transpose(1, 2).flatten(2)
        normed: Tensor = self.norm(self.projection(x))
        return normed


class AcousticModel(nn.Module):
    """Feature frames -> log probabilities every `output_s`; S steps give S * outputs_per_step outputs."""

    def __init__(self, config: AcousticConfig) -> None:
        super().__init__()
        self.config = config
        self.subsampling = Subsampling(config)
        self.layers = nn.ModuleList(
            BidirectionalLayer(config.hidden if i == 0 else 2 * config.hidden, config.hidden, config.cell)
            for i in range(config.layers)
        )
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(2 * config.hidden, config.outputs_per_step * config.vocabulary)
        self.phone_head = nn.Linear(2 * config.hidden, config.outputs_per_step * config.phones)
        self.frame_head = nn.Linear(2 * config.hidden, config.outputs_per_step * config.phones)

    @property
    def output_s(self) -> float:
        """Length of one output in seconds."""
        return STEP_S / self.config.outputs_per_step

    def forward(self, frames: Tensor, frame_lengths: Tensor, shape: ChunkShape | None = None) -> Emissions:
        """Whole utterances, frames [B, T, F], zero after each length, frame_lengths [B]; with a shape, as `encode`."""
        return self.emissions(*self.encode(frames, frame_lengths, shape))

    def encode(self, frames: Tensor, frame_lengths: Tensor, shape: ChunkShape | None = None) -> tuple[Tensor, Tensor]:
        """As `forward`, but what the heads read: [B, S, 2H] and the number of steps of each row [B].

        shape: see the utterances as a stream of this shape would (training, simulated streaming).
        """
        if shape is not None:
            return self._encode_as_chunks(frames, frame_lengths, shape)
        x, lengths = self._subsample(frames, frame_lengths)
        for layer in self.layers:
            x = layer(self.dropout(x), lengths)
        return self.dropout(x), lengths

    def emissions(self, x: Tensor, lengths: Tensor) -> Emissions:
        """What the heads make of encoded utterances [B, S, 2H] with `lengths` [B] steps."""
        return Emissions(
            letters=self._log_probs(self.head, x),
            phones=self._log_probs(self.phone_head, x),
            frames=self._log_probs(self.frame_head, x),
            lengths=lengths * self.config.outputs_per_step,
        )

    def _encode_as_chunks(self, frames: Tensor, frame_lengths: Tensor, shape: ChunkShape) -> tuple[Tensor, Tensor]:
        x, lengths = self._subsample(frames, frame_lengths)
        batch, steps, _ = x.shape
        count = -(-steps // shape.chunk_steps)
        x = F.pad(x, (0, 0, 0, count * shape.chunk_steps + shape.look_ahead_steps - steps))
        windows = x.unfold(1, shape.window_steps, shape.chunk_steps).transpose(2, 3)
        starts = torch.arange(count, device=x.device) * shape.chunk_steps
        window_lengths = (lengths.unsqueeze(1) - starts).clamp(0, shape.window_steps)
        out, _ = self._layers_over_windows(windows, window_lengths, shape.chunk_steps, self.initial_state(batch))
        chunks = out[:, :, : shape.chunk_steps].flatten(1, 2)[:, :steps]
        return self.dropout(chunks), lengths

    def forward_chunk(self, window: Tensor, state: AcousticState, shape: ChunkShape) -> tuple[Tensor, AcousticState]:
        """One chunk of each of B streams. window [B, shape.window_frames, F]: the frames `shape.window_of(step)`.

        Returns log probabilities of the chunk's phones [B, C * outputs_per_step, P] and the state at its end.
        """
        x = self.subsampling(window).unsqueeze(1)
        lengths = torch.full(x.shape[:2], shape.window_steps, device=x.device)
        out, state = self._layers_over_windows(x, lengths, shape.chunk_steps, state)
        return self._log_probs(self.phone_head, out[:, 0, : shape.chunk_steps]), state

    def pack(self) -> None:
        """Prepares the layers for inference on the CPU; the model can neither learn nor move then."""
        for layer in self.layers:
            assert isinstance(layer, BidirectionalLayer)
            layer.pack()

    def initial_state(self, batch: int = 1) -> AcousticState:
        """The state before the first chunk of `batch` streams."""
        hidden = self.head.weight.new_zeros(self.config.layers, batch, self.config.hidden)
        return AcousticState(hidden, hidden if self.config.cell == "lstm" else hidden[..., :0])

    def _subsample(self, frames: Tensor, frame_lengths: Tensor) -> tuple[Tensor, Tensor]:
        lengths = (frame_lengths + STEP_FRAMES - 1) // STEP_FRAMES
        wanted = (step_count(frames.shape[1]) - 1) * STEP_FRAMES + RECEPTIVE_FRAMES
        right = wanted - LEFT_CONTEXT_FRAMES - frames.shape[1]
        return self.subsampling(F.pad(frames, (0, 0, LEFT_CONTEXT_FRAMES, right))), lengths

    def _layers_over_windows(
        self, x: Tensor, lengths: Tensor, chunk_steps: int, state: AcousticState
    ) -> tuple[Tensor, AcousticState]:
        hidden, cell = [], []
        for i, layer in enumerate(self.layers):
            assert isinstance(layer, BidirectionalLayer)
            before = (state.hidden[i : i + 1], state.cell[i : i + 1])
            x, (h, c) = layer.forward_windows(self.dropout(x), lengths, chunk_steps, before)
            hidden.append(h)
            cell.append(c)
        return x, AcousticState(torch.cat(hidden), torch.cat(cell))

    def _log_probs(self, head: nn.Module, x: Tensor) -> Tensor:
        batch, steps, _ = x.shape
        scores: Tensor = head(x).float().view(batch, steps * self.config.outputs_per_step, -1)
        return scores.log_softmax(dim=-1)
