"""One bidirectional recurrent layer that can also be run chunk by chunk; what is around it is `model.py`'s.

Its cell is a choice: "lstm" (Hochreiter & Schmidhuber 1997), "gru" (Cho et al. 2014) or "rnn", a plain tanh layer
without gates (Elman 1990), which is there to compare with.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.acoustic.packed import PackedLSTM, can_pack

CELLS: dict[str, type[nn.LSTM] | type[nn.GRU] | type[nn.RNN]] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
GATES = {"lstm": 4, "gru": 3, "rnn": 1}
"""How many matrices of H rows lie on top of each other in a cell's weights."""


class BidirectionalLayer(nn.Module):
    """One bidirectional layer made of two one-way ones, so that the forward state at a chunk's border is at hand."""

    def __init__(self, inputs: int, hidden: int, cell: str = "lstm") -> None:
        super().__init__()
        self.hidden = hidden
        # Whatever the cell: packages and checkpoints know the weights by these names.
        self.forward_lstm: nn.Module = CELLS[cell](inputs, hidden, batch_first=True)
        self.backward_lstm: nn.Module = CELLS[cell](inputs, hidden, batch_first=True)
        # PyTorch's initial weights make each layer's output smaller than its input; this keeps deep layers awake.
        self.norm = nn.LayerNorm(2 * hidden)
        if cell == "lstm":
            for lstm in (self.forward_lstm, self.backward_lstm):
                # The forget gate begins open (Jozefowicz et al. 2015).
                nn.init.ones_(lstm.get_parameter("bias_ih_l0").data[hidden : 2 * hidden])

    def pack(self) -> None:
        """Prepares for inference on the CPU, where that makes it faster; the layer can neither learn nor move then."""
        for name, own in (("forward_lstm", self.forward_lstm), ("backward_lstm", self.backward_lstm)):
            if isinstance(own, nn.LSTM) and can_pack():
                setattr(self, name, PackedLSTM(own))

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """[B, S, D], lengths [B] -> [B, S, 2H]; padding after an utterance's length never reaches its steps."""
        ahead, _ = self.forward_lstm(x)
        back, _ = self.backward_lstm(_reverse(x, lengths))
        normed: Tensor = self.norm(torch.cat([ahead, _reverse(back, lengths)], dim=-1))
        return normed

    def forward_windows(
        self, windows: Tensor, lengths: Tensor, chunk_steps: int, state: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """K successive windows (chunk + look-ahead) of each stream: [B, K, W, D] -> [B, K, W, 2H].

        lengths [B, K]: valid steps of each window. state: hidden and cell [1, B, H] before the first chunk, as in
        AcousticState; the returned one is after the last chunk. Streaming is K = 1; training takes all windows of an
        utterance at once.
        """
        batch, count, width, _ = windows.shape
        chunks, states = [], []
        for k in range(count):
            chunk, state = self._ahead(windows[:, k, :chunk_steps], state)
            chunks.append(chunk)
            states.append(state)
        ahead = torch.stack(chunks, dim=1)
        if width > chunk_steps:
            hidden, cell = (torch.stack(part, dim=2).flatten(1, 2) for part in zip(*states, strict=True))
            beyond, _ = self._ahead(windows[:, :, chunk_steps:].flatten(0, 1), (hidden, cell))
            ahead = torch.cat([ahead, beyond.view(batch, count, width - chunk_steps, self.hidden)], dim=2)
        flat, flat_lengths = windows.flatten(0, 1), lengths.flatten()
        back, _ = self.backward_lstm(_reverse(flat, flat_lengths))
        back = _reverse(back, flat_lengths).view(batch, count, width, self.hidden)
        return self.norm(torch.cat([ahead, back], dim=-1)), state

    def _ahead(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """The forward direction over x [B, S, D] from a state on: [B, S, H] and the state after it."""
        hidden, cell = state
        if isinstance(self.forward_lstm, nn.LSTM | PackedLSTM):
            out, (hidden, cell) = self.forward_lstm(x, (hidden, cell))
        else:
            out, hidden = self.forward_lstm(x, hidden)
        return out, (hidden, cell)


def _reverse(x: Tensor, lengths: Tensor) -> Tensor:
    """[B, S, D] with the first lengths[b] steps of each row in reverse order; the padding stays behind them."""
    steps = torch.arange(x.shape[1], device=x.device)
    ends = lengths.unsqueeze(1)
    source = torch.where(steps < ends, ends - 1 - steps, steps)
    return x.gather(1, source.unsqueeze(-1).expand_as(x))
