"""FLAC as a stream: bytes are cut into frames, which depend on nothing before them, and libsndfile decodes those.

libsndfile wants files. So each run of frames becomes a small one, with the stream's own description in front; the
samples are exactly those of the whole file. RFC 9639 describes the format.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from models.audio.formats import check_found
from models.audio.pcm import Samples
from models.audio.sndfile import decode_file
from models.errors import InvalidAudio
from models.types import AudioFormat, Encoding

MAGIC = b"fLaC"
_STREAMINFO_BYTES = 34
_LAST_BLOCK = 0x80
_RUN_SAMPLES = 1 << 16  # frames are decoded together up to so many samples of one channel
_LONGEST_FRAME_HEADER = 16
_FRAME_SLACK_BYTES = 4096  # what a frame may have beyond its samples: headers, and codes that do not pay
_SYNC = (b"\xff\xf8", b"\xff\xf9")  # fixed and variable block size


@dataclass(frozen=True, slots=True)
class _FrameHeader:
    """number: of the frame if all have one size, otherwise of its first sample. samples: of each channel.

    kind: codes of rate and sample size, which do not change from frame to frame.
    """

    number: int
    samples: int
    kind: tuple[int, int]


class FlacDecoder:
    """Bytes of a FLAC file -> [C, N] float32 samples at the rate of `format`. A frame waits for the next."""

    container = "FLAC"

    def __init__(self, declared: AudioFormat) -> None:
        self._declared = declared
        self._pending = bytearray()
        self._skip_bytes = 0  # of a metadata block that nobody needs
        self._is_last_block = False
        self._info = b""  # the STREAMINFO block
        self._sync = b""
        self._frame: _FrameHeader | None = None  # at the beginning of _pending
        self._scanned = 0  # bytes of _pending among which no other frame begins
        self._run: list[bytes] = []  # whole frames
        self._run_samples = 0
        self._decoded_frames = 0
        self.format: AudioFormat | None = None
        """Known once the description at the beginning has been read."""

    def accept(self, data: bytes) -> Iterator[Samples]:
        """The samples of the frames that these bytes complete. Raises InvalidAudio."""
        self._pending += data
        while not self._is_last_block or self._skip_bytes:
            if not self._read_metadata():
                return
        while self._cut_frame():
            if self._run_samples >= _RUN_SAMPLES:
                yield self._decode_run()
        if self._run:
            yield self._decode_run()

    def finish(self) -> Iterator[Samples]:
        """The samples of the last frame. Raises InvalidAudio when it is not whole."""
        if not self._is_last_block or self._skip_bytes:
            raise InvalidAudio("the FLAC file ends before its first sample; is it truncated?")
        if not self._pending:
            return
        if self._frame is None:
            self._frame = self._first_frame(at_end=True)
        assert self._frame is not None
        self._add_frame(len(self._pending), self._frame)
        yield self._decode_run()

    def _read_metadata(self) -> bool:
        """Takes the magic, a metadata block or a part of one; False: not without more bytes."""
        if self._skip_bytes:
            skipped = min(self._skip_bytes, len(self._pending))
            self._skip_bytes -= skipped
            del self._pending[:skipped]
            return skipped > 0
        at = 0 if self._info else len(MAGIC)
        if len(self._pending) < at + 4:
            return False
        kind, size = self._pending[at], int.from_bytes(self._pending[at + 1 : at + 4], "big")
        body_at = at + 4
        if not self._info:
            if kind & ~_LAST_BLOCK or size != _STREAMINFO_BYTES:
                raise InvalidAudio("the FLAC file does not begin with its STREAMINFO block; is it damaged?")
            if len(self._pending) < body_at + size:
                return False
            self._info = bytes(self._pending[body_at : body_at + size])
            self._read_info()
            body_at, size = body_at + size, 0
        self._is_last_block = bool(kind & _LAST_BLOCK)
        self._skip_bytes = size
        del self._pending[:body_at]
        return True

    def _read_info(self) -> None:
        packed = int.from_bytes(self._info[10:18], "big")
        rate_hz, channels = packed >> 44, ((packed >> 41) & 7) + 1
        found = AudioFormat(Encoding.FLAC, rate_hz, channels)
        check_found(found, self.container, self._declared)
        self.format = found

    def _cut_frame(self) -> bool:
        """Moves the frame at the beginning of the pending bytes to the run, if the next one has begun."""
        if self._frame is None:
            self._frame = self._first_frame(at_end=False)
            if self._frame is None:
                return False
        frame = self._frame
        expected = frame.number + (frame.samples if self._sync == _SYNC[1] else 1)
        while (at := self._pending.find(self._sync, max(2, self._scanned))) >= 0:
            following = _read_frame_header(bytes(self._pending[at : at + _LONGEST_FRAME_HEADER]))
            if following is None and len(self._pending) < at + _LONGEST_FRAME_HEADER:
                self._scanned = at
                break
            if following is not None and (following.number, following.kind) == (expected, frame.kind):
                self._add_frame(at, frame)
                self._frame, self._scanned = following, 0
                return True
            self._scanned = at + 1
        else:
            self._scanned = max(2, len(self._pending) - 1)
        if len(self._pending) > self._longest_frame(frame):
            raise self._damaged()
        return False

    def _first_frame(self, *, at_end: bool) -> _FrameHeader | None:
        header = _read_frame_header(bytes(self._pending[:_LONGEST_FRAME_HEADER]))
        if header is None and (at_end or len(self._pending) >= _LONGEST_FRAME_HEADER):
            raise self._damaged()
        self._sync = bytes(self._pending[:2])
        return header

    def _add_frame(self, size: int, frame: _FrameHeader) -> None:
        self._run.append(bytes(self._pending[:size]))
        self._run_samples += frame.samples
        del self._pending[:size]
        self._frame = None

    def _decode_run(self) -> Samples:
        info = bytearray(self._info)
        struct.pack_into(">I", info, 14, self._run_samples)  # of 36 bits for the length these are the lower 32,
        info[13] &= 0xF0  # and these the others
        info[18:] = bytes(16)  # no checksum of all samples
        size = bytes([_LAST_BLOCK]) + _STREAMINFO_BYTES.to_bytes(3, "big")
        assert self.format is not None
        samples = decode_file(b"".join((MAGIC, size, bytes(info), *self._run)), self.format.channels)
        if samples is None or samples.shape[1] != self._run_samples:
            raise self._damaged()
        self._decoded_frames += len(self._run)
        self._run, self._run_samples = [], 0
        return samples

    def _longest_frame(self, frame: _FrameHeader) -> int:
        bytes_per_sample = 5  # 32 bits, and one more where channels are stored as sum and difference
        assert self.format is not None
        return frame.samples * self.format.channels * bytes_per_sample + _FRAME_SLACK_BYTES

    def _damaged(self) -> InvalidAudio:
        return InvalidAudio(f"the FLAC audio is damaged or truncated after {self._decoded_frames} whole frames")


def _read_frame_header(data: bytes) -> _FrameHeader | None:
    """None where there is no header, or not all of it."""
    if len(data) < 6 or data[:2] not in _SYNC or data[3] & 1:
        return None
    size_code, rate_code = data[2] >> 4, data[2] & 15
    first = data[4]
    more = 0 if first < 0x80 else 8 - (first ^ 0xFF).bit_length() - 1  # bytes of the number behind its first one
    at = 5 + more
    extra = {6: 1, 7: 2}.get(size_code, 0)
    rate_bytes = {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    end = at + extra + rate_bytes
    if first in range(0x80, 0xC0) or first == 0xFF or size_code == 0 or rate_code == 15 or len(data) <= end:
        return None
    if _crc8(data[:end]) != data[end]:
        return None
    number = first if first < 0x80 else first & (0x3F >> more)
    for byte in data[5:at]:
        number = number << 6 | byte & 0x3F
    if extra:
        samples = int.from_bytes(data[at : at + extra], "big") + 1
    elif size_code == 1:
        samples = 192
    elif size_code < 6:
        samples = 576 << (size_code - 2)
    else:
        samples = 256 << (size_code - 8)
    return _FrameHeader(number, samples, (rate_code, data[3] & 0x0E))


def _crc8(data: bytes) -> int:
    """x^8 + x^2 + x + 1"""
    crc = 0
    for byte in data:
        crc = _CRC8[crc ^ byte]
    return crc


def _crc8_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value << 1 ^ 0x07) & 0xFF if value & 0x80 else value << 1
        table.append(value)
    return tuple(table)


_CRC8 = _crc8_table()
