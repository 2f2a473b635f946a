"""The Ogg container (RFC 3533): bytes to pages and packets, and packets to a small file again."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from models.errors import InvalidAudio

MAGIC = b"OggS"
CONTINUED, BEGIN, END = 1, 2, 4  # a page's flags
_HEADER = struct.Struct("<4sBBqIIIB")  # magic, version, flags, position, stream, number, checksum, segments
_CHECKSUM_AT = 22
_LONGEST_SEGMENT = 255
_MOST_SEGMENTS = 255
_LONGEST_PACKET_BYTES = 1 << 20  # of audio far less, but comments may hold a picture


@dataclass(frozen=True, slots=True)
class Page:
    """The packets that end on a page. position: the stream's, at its end; what that is, is the codec's business."""

    flags: int
    position: int
    packets: tuple[bytes, ...]


class OggReader:
    """Bytes of an Ogg file with one stream -> pages."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._packet = bytearray()  # that goes on on the next page
        self._stream: int | None = None
        self._number = 0  # of the next page

    @property
    def is_between_pages(self) -> bool:
        """Whether all bytes so far belong to whole pages and packets."""
        return not self._pending and not self._packet

    def accept(self, data: bytes) -> list[Page]:
        """The pages that these bytes complete. Raises InvalidAudio for what is not a page of this one stream."""
        self._pending += data
        pages = []
        while (page := self._next()) is not None:
            pages.append(page)
        return pages

    def _next(self) -> Page | None:
        if len(self._pending) < _HEADER.size:
            return None
        magic, version, flags, position, stream, number, checksum, segments = _HEADER.unpack_from(self._pending)
        if magic != MAGIC or version != 0:
            raise InvalidAudio(f"the Ogg audio is damaged: page {self._number} does not begin where it should")
        body_at = _HEADER.size + segments
        if len(self._pending) < body_at:
            return None
        lengths = self._pending[_HEADER.size : body_at]
        end = body_at + sum(lengths)
        if len(self._pending) < end:
            return None
        page = bytes(self._pending[:end])
        del self._pending[:end]
        if _crc32(page[:_CHECKSUM_AT] + bytes(4) + page[_CHECKSUM_AT + 4 :]) != checksum:
            raise InvalidAudio(f"the Ogg audio is damaged: the checksum of page {self._number} is wrong")
        if self._stream is None:
            self._stream, self._number = stream, number
        if (stream, number) != (self._stream, self._number):
            raise InvalidAudio(
                f"after page {self._number - 1} the Ogg audio goes on with page {number} of stream {stream}:"
                " send one whole stream, and others in streams of their own"
            )
        self._number += 1
        return Page(flags, position, self._packets(lengths, page[body_at:]))

    def _packets(self, lengths: Sequence[int], body: bytes) -> tuple[bytes, ...]:
        packets, at = [], 0
        for length in lengths:
            self._packet += body[at : at + length]
            at += length
            if len(self._packet) > _LONGEST_PACKET_BYTES:
                raise InvalidAudio(
                    f"an Ogg packet is longer than {_LONGEST_PACKET_BYTES} bytes; this is not Opus audio"
                )
            if length < _LONGEST_SEGMENT:
                packets.append(bytes(self._packet))
                self._packet.clear()
        return tuple(packets)


def write_file(headers: Sequence[bytes], packets: Sequence[bytes], positions: Sequence[int]) -> bytes:
    """A whole Ogg file: a page for each header, then the packets. positions: of the stream, at each packet's end."""
    pages = [
        _page(0 if number else BEGIN, 0, number, _segments(header), header) for number, header in enumerate(headers)
    ]
    table, body = b"".join(map(_segments, packets)), b"".join(packets)
    ended = body_at = 0
    for start in range(0, len(table), _MOST_SEGMENTS):
        lengths = table[start : start + _MOST_SEGMENTS]
        flags = END if start + _MOST_SEGMENTS >= len(table) else 0
        if start and table[start - 1] == _LONGEST_SEGMENT:
            flags |= CONTINUED
        ending = sum(length < _LONGEST_SEGMENT for length in lengths)
        ended += ending
        size = sum(lengths)
        position = positions[ended - 1] if ending else -1
        pages.append(_page(flags, position, len(pages), lengths, body[body_at : body_at + size]))
        body_at += size
    return b"".join(pages)


def _segments(packet: bytes) -> bytes:
    whole, rest = divmod(len(packet), _LONGEST_SEGMENT)
    return bytes([_LONGEST_SEGMENT] * whole + [rest])


def _page(flags: int, position: int, number: int, lengths: bytes, body: bytes) -> bytes:
    page = bytearray(_HEADER.pack(MAGIC, 0, flags, position, 1, number, 0, len(lengths)) + lengths + body)
    struct.pack_into("<I", page, _CHECKSUM_AT, _crc32(page))
    return bytes(page)


def _crc32(data: bytes | bytearray) -> int:
    """Polynomial 0x04C11DB7 without reflection, which zlib does not have."""
    crc, table = 0, _CRC32
    for byte in data:
        crc = (crc << 8 & 0xFFFFFFFF) ^ table[crc >> 24 ^ byte]
    return crc


def _crc32_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        value <<= 24
        for _ in range(8):
            value = (value << 1 ^ 0x04C11DB7) & 0xFFFFFFFF if value & 0x80000000 else value << 1
        table.append(value)
    return tuple(table)


_CRC32 = _crc32_table()
