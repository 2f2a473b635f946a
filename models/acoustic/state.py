"""What the acoustic model keeps of a stream between chunks, and where the borders of a chunk lie.

One definition of the borders serves training, streaming and simulated streaming.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.features import FRAMES_PER_SECOND

STEP_FRAMES = 8  # feature frames per model step: three convolutions of stride 2
RECEPTIVE_FRAMES = 15  # frames that one step sees: kernel 3, stride 2, three times: 1 + 2 * (1 + 2 + 4)
LEFT_CONTEXT_FRAMES = (RECEPTIVE_FRAMES - STEP_FRAMES) // 2
RIGHT_CONTEXT_FRAMES = RECEPTIVE_FRAMES - STEP_FRAMES - LEFT_CONTEXT_FRAMES
STEP_S = STEP_FRAMES / FRAMES_PER_SECOND


def step_count(frames: int) -> int:
    """How many model steps S a recording of `frames` feature frames has."""
    return -(-frames // STEP_FRAMES)


@dataclass(frozen=True, slots=True)
class ChunkShape:
    """A latency: the model emits `chunk_steps` at a time and looks `look_ahead_steps` further.

    A step's result exists once the audio of its chunk and of the look-ahead has been received.
    """

    chunk_steps: int
    look_ahead_steps: int

    @property
    def window_steps(self) -> int:
        """Steps computed for one chunk."""
        return self.chunk_steps + self.look_ahead_steps

    @property
    def window_frames(self) -> int:
        """Feature frames that the convolutions need for one window."""
        return self.window_steps * STEP_FRAMES + RECEPTIVE_FRAMES - STEP_FRAMES

    @property
    def latency_s(self) -> float:
        """Longest wait of a step for its chunk and look-ahead, in seconds."""
        return self.window_steps * STEP_S

    def window_of(self, step: int) -> tuple[int, int]:
        """Frame range [start, stop) of the window whose chunk begins at `step`; start is negative at a beginning."""
        start = step * STEP_FRAMES - LEFT_CONTEXT_FRAMES
        return start, start + self.window_frames


@dataclass(frozen=True, slots=True)
class AcousticState:
    """State of the forward direction at a chunk's border. hidden: [L, B, H]; one stream has B = 1.

    cell: [L, B, H] of LSTMs; [L, B, 0] of cells that have none.
    """

    hidden: Tensor
    cell: Tensor

    @staticmethod
    def stack(states: Sequence[AcousticState]) -> AcousticState:
        """Joins streams along B; the inverse of `unstack`."""
        return AcousticState(
            torch.cat([s.hidden for s in states], dim=1),
            torch.cat([s.cell for s in states], dim=1),
        )

    def unstack(self) -> list[AcousticState]:
        """One state of B = 1 for each stream; the inverse of `stack`.

        Views: a stream holds its batch's state, 4 kB for each stream in it, until its next chunk. A copy for each
        would be two kernels on a GPU.
        """
        batch = self.hidden.shape[1]
        return [AcousticState(*own) for own in zip(self.hidden.chunk(batch, 1), self.cell.chunk(batch, 1), strict=True)]
