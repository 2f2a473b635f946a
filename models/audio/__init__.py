"""Audio bytes to samples: containers and codecs, mixing, streaming resampling to 16 kHz.

All of it takes pieces of any size and gives the same samples for every way of cutting. Features are `features.py`'s.
"""

from models.audio.decoder import AudioDecoder
from models.audio.resampling import StreamingResampler

__all__ = ["AudioDecoder", "StreamingResampler"]
