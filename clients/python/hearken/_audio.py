"""Audio on its way to the server: recordings, formats, and whatever a caller iterates over, as bytes.

The microphone is in `_microphone.py`. Resampling and mixing channels are the server's work.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from os import PathLike, fspath
from typing import Any, BinaryIO, Protocol, TypeAlias, TypeGuard, cast

from hearken import _wav
from hearken._errors import AudioError
from hearken._options import Encoding
from hearken._soundfile import SoundFileReader

# A message may hold 1 MiB; with smaller pieces results come sooner, and a bad connection loses less.
MESSAGE_LIMIT_BYTES = 16 * 1024

_CONTAINERS = (b"fLaC", b"OggS", b"ID3")  # with these beginnings audio is not taken for raw samples

_FULL_SCALE = 32767
_LOUDEST_FLOAT = 2.0  # what is louder was not meant to be between -1 and 1


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """How raw audio is to be read. None: not known here; the server looks for a header."""

    encoding: Encoding | None = None
    sample_rate_hz: int | None = None
    channels: int | None = None

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of all channels."""
        return (self.encoding or Encoding.LINEAR16).sample_bytes * (self.channels or 1)

    def check(self, declared: AudioFormat) -> None:
        """Raises AudioError if what the caller says about the audio is not what the audio says."""
        for name, said, true in (
            ("sample_rate_hz", declared.sample_rate_hz, self.sample_rate_hz),
            ("channels", declared.channels, self.channels),
            ("encoding", declared.encoding, self.encoding),
        ):
            if said is not None and said != true:
                raise AudioError(f"{name}={said} does not fit this audio, which has {true}; leave it out")


class Samples(Protocol):
    """A numpy array, as far as it is used here: int16, or floats from -1 to 1; [frames] or [frames, channels]."""

    @property
    def dtype(self) -> Any: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    def tobytes(self) -> bytes: ...
    def __getitem__(self, frames: slice) -> Samples: ...


AudioChunk: TypeAlias = bytes | bytearray | memoryview | Samples


@dataclass(frozen=True, slots=True)
class _Opened:
    """A recording whose header was read. read(n): the next n frames as bytes, fewer at the end, then none."""

    format: AudioFormat
    frame_count: int | None
    read: Callable[[int], bytes]


class AudioFile:
    """A recording as a source of audio: iterate over it, or hand it to `stream` or `transcribe`.

    source: a path, the bytes of a file, or a binary file object (a pipe will do; then it can be iterated over once).
    WAV is read without help: PCM of 8, 16, 24 and 32 bits becomes 16 bits, mu-law and A-law go to the server as they
    are. FLAC, Ogg, MP3 and others need the extra `audio`; or, with `encoding` FLAC or OGG_OPUS, the file is sent as it
    is and the server decodes it (then it has no pace, and no stream of it outlives a lost connection).

    sample_rate_hz, channels, encoding: for raw audio without a header.
    pace: how fast chunks come: 1.0 as fast as it was spoken, 2.0 twice as fast, None as fast as it can be read.
    chunk_ms: length of a chunk in milliseconds of audio.

    Raises AudioError if it cannot be read, MissingExtra if the extra `audio` is needed, OSError as `open` does.
    """

    def __init__(
        self,
        source: str | PathLike[str] | bytes | BinaryIO,
        *,
        sample_rate_hz: int | None = None,
        channels: int | None = None,
        encoding: Encoding | None = None,
        pace: float | None = None,
        chunk_ms: int = 100,
    ) -> None:
        if pace is not None and pace <= 0:
            raise ValueError(f"pace is {pace}; it must be more than 0, where 1.0 is the speed of speech")
        if chunk_ms < 1:
            raise ValueError(f"chunk_ms is {chunk_ms}; it must be at least 1")
        if pace is not None and encoding is not None and encoding.is_compressed:
            raise ValueError(f"{encoding.value} is sent as it is and has no pace; leave the encoding out to decode it")
        self._source = source
        self._declared = AudioFormat(encoding, sample_rate_hz, channels)
        self._pace = pace
        self._chunk_ms = chunk_ms
        self.is_paced = pace is not None
        self._once: _Opened | None = None
        if _is_file(source):
            opened = self._once = _open(source, self._declared)
        else:
            with self._file() as file:
                opened = _open(file, self._declared)
        self.format = opened.format
        self.frame_count = opened.frame_count
        self._read_once = False

    @property
    def sample_rate_hz(self) -> int:
        """Samples per second of one channel; 0 if only the server will know."""
        return self.format.sample_rate_hz or 0

    @property
    def duration_s(self) -> float | None:
        """Length in seconds; None for a pipe, and if only the server will know."""
        return None if self.frame_count is None else self.frame_count / self.sample_rate_hz

    def __iter__(self) -> Iterator[bytes]:
        if self._once is not None:
            if self._read_once:
                raise AudioError("a file object can be read once only; use a path or bytes to read it again")
            self._read_once = True
            yield from self._chunks(self._once)
            return
        with self._file() as file:
            yield from self._chunks(_open(file, self._declared))

    def __repr__(self) -> str:
        name = repr(self._source) if isinstance(self._source, str | PathLike) else f"<{type(self._source).__name__}>"
        length = "" if self.duration_s is None else f" {self.duration_s:.2f} s"
        return f"<AudioFile {name} {self.sample_rate_hz} Hz{length}>"

    def _file(self) -> BinaryIO:
        if isinstance(self._source, bytes):
            return io.BytesIO(self._source)
        return open(fspath(cast(str, self._source)), "rb")

    def _chunks(self, opened: _Opened) -> Iterator[bytes]:
        if self.format.encoding is not None and self.format.encoding.is_compressed:
            yield from iter(lambda: opened.read(MESSAGE_LIMIT_BYTES), b"")
            return
        chunk_frames = max(1, self.sample_rate_hz * self._chunk_ms // 1000)
        started_s = time.monotonic()
        spoken_s = 0.0
        while chunk := opened.read(chunk_frames):
            if self._pace is not None:
                # A microphone gives a chunk when it is over, not when it begins.
                spoken_s += len(chunk) / self.format.frame_bytes / self.sample_rate_hz / self._pace
                time.sleep(max(0.0, started_s + spoken_s - time.monotonic()))
            yield chunk


def chunk_bytes(chunk: AudioChunk) -> bytes:
    """One piece of audio as bytes. Raises AudioError for what is neither bytes nor samples."""
    if isinstance(chunk, bytes):
        return chunk
    if isinstance(chunk, bytearray | memoryview):
        return bytes(chunk)
    if not is_samples(chunk):
        raise AudioError(f"audio comes as bytes or as numpy arrays, not as {type(chunk).__name__}")
    match chunk.dtype.str:
        case "<i2":
            return chunk.tobytes()
        case "<f4" | "<f8":
            return _int16_of_floats(chunk)
    raise AudioError(f"audio arrays hold int16, or floats from -1 to 1, not {chunk.dtype}")


def _int16_of_floats(samples: Any) -> bytes:
    # The array brings numpy's operations with it: this library itself needs no numpy.
    loudest = abs(samples).max(initial=0.0)
    if not loudest <= _LOUDEST_FLOAT:
        raise AudioError(f"audio arrays of floats hold values from -1 to 1, not {loudest:g}; scale them, or use int16")
    audio: bytes = (samples * _FULL_SCALE).round().clip(-_FULL_SCALE - 1, _FULL_SCALE).astype("<i2").tobytes()
    return audio


def is_samples(audio: object) -> TypeGuard[Samples]:
    """Whether audio is a numpy array (and not a number of numpy's, which has a dtype too)."""
    return bool(getattr(audio, "shape", ())) and hasattr(audio, "dtype") and hasattr(audio, "tobytes")


def is_recording(audio: object) -> TypeGuard[str | PathLike[str] | bytes | BinaryIO]:
    """Whether audio is something that AudioFile opens (and not something to iterate over)."""
    return isinstance(audio, str | PathLike | bytes) or _is_file(audio)


def _is_file(source: object) -> TypeGuard[BinaryIO]:
    return hasattr(source, "read")


def _open(file: BinaryIO, declared: AudioFormat) -> _Opened:
    if declared.encoding is not None and declared.encoding.is_compressed:
        return _Opened(declared, None, partial(_read_fully, file))
    head = _read_fully(file, _wav.RIFF_BYTES)
    if _wav.is_wav(head):
        try:
            opened = _open_wav(file)
        except _wav.UnsupportedWav as error:
            if not file.seekable():
                raise AudioError(f"{error} cannot be read from a pipe; use 16-bit PCM") from None
            file.seek(0)
            opened = _open_with_soundfile(file)
    elif declared.sample_rate_hz is not None and not head.startswith(_CONTAINERS):
        return _open_raw(file, head, declared)
    elif not head:
        raise AudioError("there is no audio: the file is empty")
    else:
        opened = _open_with_soundfile(_seekable(file, head))
    opened.format.check(declared)
    return opened


def _open_wav(file: BinaryIO) -> _Opened:
    header = _wav.read_header(file)
    encoding = Encoding(header.law) if header.law else Encoding.LINEAR16
    left = header.data_bytes

    def read(frame_count: int) -> bytes:
        nonlocal left
        wanted = frame_count * header.frame_bytes
        data = _read_fully(file, wanted if left is None else min(wanted, left))
        if left is not None:
            left -= len(data)
        whole = data[: len(data) // header.frame_bytes * header.frame_bytes]  # a cut-off recording may end in a frame
        return whole if header.law else _wav.to_16_bit(whole, header.sample_bits)

    frame_count = None if left is None else left // header.frame_bytes
    return _Opened(AudioFormat(encoding, header.sample_rate_hz, header.channels), frame_count, read)


def _open_raw(file: BinaryIO, head: bytes, declared: AudioFormat) -> _Opened:
    audio_format = AudioFormat(declared.encoding or Encoding.LINEAR16, declared.sample_rate_hz, declared.channels or 1)
    waiting = head

    def read(frame_count: int) -> bytes:
        nonlocal waiting
        wanted = frame_count * audio_format.frame_bytes
        data, waiting = waiting[:wanted], waiting[wanted:]
        return data + _read_fully(file, wanted - len(data))

    frame_count = None
    if file.seekable():
        position = file.tell()
        frame_count = (len(head) + file.seek(0, io.SEEK_END) - position) // audio_format.frame_bytes
        file.seek(position)
    return _Opened(audio_format, frame_count, read)


def _open_with_soundfile(file: BinaryIO) -> _Opened:
    reader = SoundFileReader(file)
    audio_format = AudioFormat(Encoding.LINEAR16, reader.sample_rate_hz, reader.channels)
    return _Opened(audio_format, reader.frame_count, reader.read)


def _seekable(file: BinaryIO, head: bytes) -> BinaryIO:
    """The same file from its beginning, of which head was read already."""
    if file.seekable():
        file.seek(-len(head), io.SEEK_CUR)
        return file
    return io.BytesIO(head + file.read())


def _read_fully(file: BinaryIO, length: int) -> bytes:
    """As many bytes as asked for, except at the end; a pipe may give them in pieces."""
    data = file.read(length)
    while data and len(data) < length:
        more = file.read(length - len(data))
        if not more:
            break
        data += more
    return data
