"""WAV files and raw samples as a stream: headers are followed wherever they stand, samples handed on.

A stream may hold several WAV files one after the other, and a WAV header may stand in the middle of raw samples:
clients that send files as raw audio do that. It is skipped if it says what is true; otherwise it is an error.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

import numpy as np

from models.audio.formats import check_found, describe, raw_format
from models.audio.pcm import BYTES_PER_SAMPLE, Samples, samples_of
from models.errors import InvalidAudio
from models.types import AudioFormat, Encoding

_WAV_ENCODINGS = {1: Encoding.LINEAR16, 6: Encoding.ALAW, 7: Encoding.MULAW}
_WAV_EXTENSIBLE = 0xFFFE
_MAX_HEADER_BYTES = 64 * 1024
# Headers in the middle of samples. All that is fixed in them, so that samples do not look like one by chance.
_HEADER = re.compile(rb"RIFF.{4}WAVE|fLaC[\x00\x80]\x00\x00\x22|OggS\x00[\x02\x06]\x00{8}", re.DOTALL)
_LONGEST_HEADER = 14
_MAGICS = (b"RIFF", b"fLaC", b"OggS")
_FIRST_BYTES = bytes(magic[0] for magic in _MAGICS)
_OTHERS = {b"fLaC": "a FLAC file", b"OggS": "an Ogg stream"}


class WavDecoder:
    """Bytes of WAV files, or of raw samples, -> [C, N] float32 samples at the rate of `format`."""

    container = "WAV"

    def __init__(self, declared: AudioFormat, *, is_raw: bool) -> None:
        """is_raw: there is no header at the beginning. Raises InvalidAudio."""
        self._declared = declared
        self._pending = b""  # what cannot be understood until more has come
        self._position = 0  # of _pending, in bytes of the stream
        self._in_header = not is_raw
        self._data_left: int | None = None  # bytes of a data chunk that says how long it is
        self.format: AudioFormat | None = raw_format(declared) if is_raw else None
        """Known from the first header on."""

    def accept(self, data: bytes) -> Iterator[Samples]:
        """The samples that these bytes complete. Raises InvalidAudio."""
        self._pending += data
        while (piece := self._next(at_end=False)) is not None:
            yield piece

    def finish(self) -> Iterator[Samples]:
        """The last samples. Raises InvalidAudio when the bytes end in the middle of a sample or of a header."""
        while (piece := self._next(at_end=True)) is not None:
            yield piece
        if self._in_header:
            raise InvalidAudio("the WAV header has no data chunk; is the file truncated?")
        if self._pending and self._data_left != 0:
            assert self.format is not None
            raise InvalidAudio(
                f"the audio ends in the middle of a sample: its length must be a multiple of {self._frame_bytes} bytes"
                f" for {self.format.encoding.value} with {self.format.channels} channel(s),"
                f" {len(self._pending)} are left over"
            )

    def _next(self, *, at_end: bool) -> Samples | None:
        """Goes on by a header, a run of samples, or a run of bytes that are neither; None: not without more bytes."""
        if self._in_header:
            return self._take_header()
        if self._data_left is not None and self._data_left > 0:
            samples = self._take_samples(min(self._data_left, len(self._pending)))
            if samples is not None:
                self._data_left -= samples.shape[1] * self._frame_bytes
            elif 0 < self._data_left < self._frame_bytes:
                self._data_left = 0  # a chunk whose length is no whole number of samples
                return self._nothing()
            return samples
        found = _find_header(self._pending)
        stop = found.start() if found else self._sure_bytes(at_end)
        if self._data_left is None and (samples := self._take_samples(stop)) is not None:
            return samples
        if found is not None:
            self._begin_header(found)
            return self._nothing()
        if self._data_left == 0:  # behind a data chunk: other chunks, and perhaps another file
            self._skip(stop)
        return None

    def _sure_bytes(self, at_end: bool) -> int:
        """How many of the pending bytes cannot be the beginning of a header whose rest is still to come."""
        size = len(self._pending)
        if at_end:
            return size
        for at in range(max(0, size - _LONGEST_HEADER + 1), size):
            beginning = self._pending[at : at + 4]
            if beginning[0] in _FIRST_BYTES and any(magic.startswith(beginning) for magic in _MAGICS):
                return at
        return size

    def _begin_header(self, found: re.Match[bytes]) -> None:
        at = self._position + found.start()
        magic = found[0][:4]
        if self._data_left != 0 and found.start():
            raise InvalidAudio(f"a header begins in the middle of a sample, at byte {at}; is audio missing before it?")
        if magic in _OTHERS:
            assert self.format is not None
            raise InvalidAudio(
                f"{_OTHERS[magic]} begins at byte {at}, in the middle of {describe(self.format)};"
                " send each format in a stream of its own"
            )
        self._skip(found.start())
        self._in_header = True

    def _take_header(self) -> Samples | None:
        found = _read_header(self._pending)
        if found is None:
            if len(self._pending) > _MAX_HEADER_BYTES:
                raise InvalidAudio("the WAV header has no data chunk; is the file truncated?")
            return None
        actual, body_at, data_bytes = found
        if self.format is None:
            check_found(actual, self.container, self._declared)
            self.format = actual
        elif actual != self.format:
            raise InvalidAudio(
                f"the WAV header at byte {self._position} says {describe(actual)}, but the audio before it is"
                f" {describe(self.format)}; send each format in a stream of its own"
            )
        self._skip(body_at)
        self._data_left, self._in_header = data_bytes, False
        return self._nothing()

    def _take_samples(self, size: int) -> Samples | None:
        """The whole samples among the next `size` bytes; None where there is none."""
        assert self.format is not None
        whole = size // self._frame_bytes * self._frame_bytes
        if not whole:
            return None
        data = self._pending[:whole]
        self._skip(whole)
        return samples_of(data, self.format.encoding, self.format.channels)

    def _skip(self, size: int) -> None:
        self._pending = self._pending[size:]
        self._position += size

    @property
    def _frame_bytes(self) -> int:
        assert self.format is not None
        return BYTES_PER_SAMPLE[self.format.encoding] * self.format.channels

    def _nothing(self) -> Samples:
        return np.zeros((self.format.channels if self.format else 1, 0), np.float32)


def _find_header(data: bytes) -> re.Match[bytes] | None:
    # Looking for the magics first is many times faster than the expression.
    return _HEADER.search(data) if any(magic in data for magic in _MAGICS) else None


def _read_header(header: bytes) -> tuple[AudioFormat, int, int | None] | None:
    """Format, offset of the samples, their number of bytes (None: until the end); None while bytes are missing."""
    if len(header) < 12:
        return None
    if header[8:12] != b"WAVE":
        raise InvalidAudio("the audio begins with RIFF but is not a WAVE file")
    at, actual = 12, None
    while len(header) >= at + 8:
        name, size = header[at : at + 4], struct.unpack_from("<I", header, at + 4)[0]
        if name == b"data":
            if actual is None:
                raise InvalidAudio("the WAV header has no fmt chunk before its data")
            streamed = size in (0, 0xFFFFFFFF)  # writers that do not know the length in advance
            return actual, at + 8, None if streamed else size
        if name == b"fmt ":
            if len(header) < at + 8 + size:
                return None
            actual = _read_format(header[at + 8 : at + 8 + size])
        at += 8 + size + size % 2
    return None


def _read_format(chunk: bytes) -> AudioFormat:
    if len(chunk) < 16:
        raise InvalidAudio("the fmt chunk of the WAV header is too short")
    tag, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
    if tag == _WAV_EXTENSIBLE and len(chunk) >= 26:
        tag = struct.unpack_from("<H", chunk, 24)[0]
    encoding = _WAV_ENCODINGS.get(tag)
    if encoding is None or bits != 8 * BYTES_PER_SAMPLE[encoding]:
        raise InvalidAudio(
            f"the WAV file holds format {tag} with {bits} bits a sample; send 16-bit PCM, 8-bit mu-law or 8-bit A-law"
        )
    return AudioFormat(encoding, rate_hz, channels)
