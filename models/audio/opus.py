"""Opus in Ogg as a stream (RFC 6716, RFC 7845): packets are gathered into small files, which libsndfile decodes.

An Opus decoder has a memory. So each small file begins with packets that were there before, whose samples are thrown
away; the memory fades, and what is left of the difference is in docs/decisions/0006-compressed-audio.md. The borders of
the small files are set by the audio alone, so that every cutting of the bytes gives the same samples.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from models.audio.formats import check_found
from models.audio.ogg import BEGIN, END, OggReader, Page, write_file
from models.audio.pcm import Samples
from models.audio.sndfile import decode_file
from models.errors import InvalidAudio
from models.features import SAMPLE_RATE_HZ
from models.types import AudioFormat, Encoding

_CLOCK_HZ = 48_000  # positions and durations of Opus, whatever the audio's own rate
_CLOCKS_PER_SAMPLE = _CLOCK_HZ // SAMPLE_RATE_HZ
_GROUP = _CLOCK_HZ // 5  # packets are decoded together: so many ticks,
_MEMORY = _CLOCK_HZ // 2  # behind so many that were decoded before
_LONGEST_PACKET = _CLOCK_HZ * 120 // 1000
_HEAD, _TAGS = b"OpusHead", b"OpusTags"
_HEAD_BYTES = 19
_NO_TAGS = _TAGS + bytes(8)


class OpusDecoder:
    """Bytes of an Ogg file -> [C, N] float32 samples at the rate of `format`, which is the model's, not the file's."""

    container = "Ogg Opus"

    def __init__(self, declared: AudioFormat) -> None:
        self._declared = declared
        self._reader = OggReader()
        self._head = b""
        self._has_tags = False
        self._has_ended = False
        self._skip = 0  # samples at the beginning, which encoders put there for the decoder's memory
        self._position = 0  # in ticks, at the end of the last page
        self._memory: list[bytes] = []  # packets that have been decoded
        self._group: list[bytes] = []  # and those that have not
        self.format: AudioFormat | None = None
        """Known once the header has been read."""

    def accept(self, data: bytes) -> Iterator[Samples]:
        """The samples that these bytes complete. Raises InvalidAudio."""
        for page in self._reader.accept(data):
            yield from self._take(page)

    def finish(self) -> Iterator[Samples]:
        """The last samples. Raises InvalidAudio when the bytes end in the middle of a page."""
        if not self._has_tags:
            raise InvalidAudio("the Ogg Opus audio ends before its first sample; is it truncated?")
        if not self._reader.is_between_pages:
            raise InvalidAudio("the Ogg Opus audio ends in the middle of a page; is it truncated?")
        if self._group:
            yield self._decode_group()

    def _take(self, page: Page) -> Iterator[Samples]:
        packets = list(page.packets)
        if self._has_ended:
            raise InvalidAudio("more Ogg pages follow the last one of the audio; send one recording in a stream")
        if not self._head:
            if not packets or not page.flags & BEGIN:
                raise InvalidAudio("the Ogg audio does not begin with a header; send it from its beginning")
            self._read_head(packets.pop(0))
        if packets and not self._has_tags:
            if not packets.pop(0).startswith(_TAGS):
                raise InvalidAudio("the Ogg Opus audio has no OpusTags header; is it damaged?")
            self._has_tags = True
        self._has_ended = bool(page.flags & END)
        if self._has_ended:
            yield from self._take_last(packets, page.position)
        elif packets:
            self._position = page.position
            yield from self._take_packets(packets)

    def _take_packets(self, packets: Iterable[bytes]) -> Iterator[Samples]:
        for packet in packets:
            self._group.append(packet)
            if sum(map(_duration, self._group)) >= _GROUP:
                yield self._decode_group()

    def _take_last(self, packets: Sequence[bytes], position: int) -> Iterator[Samples]:
        """The packets of the last page, of which the audio needs perhaps not all."""
        pieces = [*self._take_packets(packets), *([self._decode_group()] if self._group else [])]
        ticks = sum(map(_duration, packets))
        surplus = ticks - (position - self._position)
        yield from _without_last(pieces, surplus // _CLOCKS_PER_SAMPLE) if 0 < surplus <= ticks else pieces

    def _read_head(self, head: bytes) -> None:
        if not head.startswith(_HEAD):
            raise InvalidAudio("the Ogg file does not hold Opus audio; send Opus, FLAC or WAV")
        if len(head) < _HEAD_BYTES or head[8] >> 4:
            raise InvalidAudio("the OpusHead header is too short or of an unknown version")
        channels, skip_ticks, rate_hz = head[9], *struct.unpack_from("<HI", head, 10)
        # The rate in the header tells what the audio was made from, if anything; Opus itself is decoded at any rate.
        declared_hz = self._declared.sample_rate_hz
        is_free = declared_hz in (0, _CLOCK_HZ) or rate_hz == 0
        found = AudioFormat(Encoding.OGG_OPUS, declared_hz or _CLOCK_HZ if is_free else rate_hz, channels)
        check_found(found, self.container, self._declared)
        self._head = head[:10] + struct.pack("<HI", 0, SAMPLE_RATE_HZ) + head[16:]
        self._skip = skip_ticks // _CLOCKS_PER_SAMPLE
        self.format = AudioFormat(Encoding.OGG_OPUS, SAMPLE_RATE_HZ, channels)

    def _decode_group(self) -> Samples:
        assert self.format is not None
        packets = [*self._memory, *self._group]
        positions = list(accumulate(map(_duration, packets)))
        samples = decode_file(write_file([self._head, _NO_TAGS], packets, positions), self.format.channels)
        if samples is None or samples.shape[1] != positions[-1] // _CLOCKS_PER_SAMPLE:
            raise InvalidAudio("the Opus audio is damaged: its packets cannot be decoded")
        new = samples[:, sum(map(_duration, self._memory)) // _CLOCKS_PER_SAMPLE :]
        while sum(map(_duration, packets[1:])) >= _MEMORY:
            packets.pop(0)
        self._memory, self._group = packets, []
        skipped = min(self._skip, new.shape[1])
        self._skip -= skipped
        return new[:, skipped:]


def _without_last(pieces: list[Samples], count: int) -> list[Samples]:
    left = []
    for piece in reversed(pieces):
        dropped = min(count, piece.shape[1])
        count -= dropped
        left.append(piece[:, : piece.shape[1] - dropped])
    return left[::-1]


def _duration(packet: bytes) -> int:
    """Ticks of a packet, from its first bytes (RFC 6716, 3.1). Raises InvalidAudio."""
    if not packet:
        raise InvalidAudio("the Opus audio is damaged: a packet is empty")
    config, code = packet[0] >> 3, packet[0] & 3
    if config < 12:
        frame = (480, 960, 1920, 2880)[config & 3]
    elif config < 16:
        frame = (480, 960)[config & 1]
    else:
        frame = (120, 240, 480, 960)[config & 3]
    if code == 3 and len(packet) < 2:
        raise InvalidAudio("the Opus audio is damaged: a packet is too short")
    ticks = frame * (packet[1] & 63 if code == 3 else min(code + 1, 2))
    if not 0 < ticks <= _LONGEST_PACKET:
        raise InvalidAudio("the Opus audio is damaged: a packet is longer than 120 ms")
    return ticks
