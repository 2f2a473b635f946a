"""Marked audio, a server that reads the marks, and a network that breaks: to see whether a word is lost or doubled.

Marked audio consists of blocks of one value each: 0 is silence, any other value is a word. What the server says is a
function of the audio of its call alone; audio that goes on in the middle of a block is heard as wrong words.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import socket
import struct
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc

from hearken.v1 import speech_pb2 as pb
from hearken.v1.speech_pb2_grpc import SpeechServicer, add_SpeechServicer_to_server

SAMPLE_RATE_HZ = 8000
BLOCK_SAMPLES = 800
BLOCK_BYTES = 2 * BLOCK_SAMPLES
LONGEST_UTTERANCE = 12
"""Words after which an utterance is cut, as a real server does it: in the past, so that its end comes with the next."""
CUT_BACK = 4


def marked_audio(words: int, seed: int) -> list[bytes]:
    """So many different words with silences between some, in chunks of any size."""
    luck = random.Random(seed)
    values = [v for word in range(1, words + 1) for v in ([word] if luck.random() < 0.8 else [word, 0])]
    audio = b"".join(struct.pack("<h", value) * BLOCK_SAMPLES for value in values)
    cuts = sorted({0, len(audio), *(luck.randrange(len(audio)) for _ in range(words))})
    return [audio[start:end] for start, end in itertools.pairwise(cuts)]


class Reader:
    """Reads the marks of one call's audio."""

    def __init__(self, sample_rate_hz: int) -> None:
        self._block_s = BLOCK_SAMPLES / sample_rate_hz
        self._audio = b""
        self._blocks = 0
        self._start = 0
        self._words: list[tuple[str, int]] = []
        self._utterance = 0

    def accept(self, audio: bytes) -> Iterator[pb.StreamingRecognizeResponse]:
        self._audio += audio
        while len(self._audio) >= BLOCK_BYTES:
            block, self._audio = self._audio[:BLOCK_BYTES], self._audio[BLOCK_BYTES:]
            values = set(struct.unpack(f"<{BLOCK_SAMPLES}h", block))
            self._blocks += 1
            if values != {0}:
                self._words.append(("+".join(f"w{value}" for value in sorted(values)), self._blocks - 1))
                yield self._response(self._words, self._blocks, is_final=False)
            if values == {0} and self._words:
                yield self._final(len(self._words), self._blocks)
            elif len(self._words) == LONGEST_UTTERANCE:
                kept = LONGEST_UTTERANCE - CUT_BACK
                yield self._final(kept, self._words[kept][1])

    def finish(self) -> Iterator[pb.StreamingRecognizeResponse]:
        if self._words:
            yield self._final(len(self._words), self._blocks)

    def _final(self, count: int, end: int) -> pb.StreamingRecognizeResponse:
        response = self._response(self._words[:count], end, is_final=True)
        del self._words[:count]
        self._start = end
        self._utterance += 1
        return response

    def _response(self, words: list[tuple[str, int]], end: int, *, is_final: bool) -> pb.StreamingRecognizeResponse:
        times = [pb.Word(word=word, start_s=at * self._block_s, end_s=(at + 1) * self._block_s) for word, at in words]
        result = pb.Result(
            alternatives=[pb.Alternative(transcript=" ".join(word for word, _ in words), words=times)],
            is_final=is_final,
            start_s=self._start * self._block_s,
            end_s=end * self._block_s,
            utterance=self._utterance,
        )
        clock = pb.AudioClock(received_s=self._blocks * self._block_s, recognized_s=end * self._block_s)
        return pb.StreamingRecognizeResponse(results=[result], clock=clock)


class Channels:
    """Reads the marks of each channel by itself."""

    def __init__(self, sample_rate_hz: int, channels: int) -> None:
        self._readers = [Reader(sample_rate_hz) for _ in range(channels)]
        self._rest = b""

    def accept(self, audio: bytes) -> Iterator[pb.StreamingRecognizeResponse]:
        audio, frame_bytes = self._rest + audio, 2 * len(self._readers)
        whole = len(audio) // frame_bytes * frame_bytes
        self._rest = audio[whole:]
        samples = struct.unpack(f"<{whole // 2}h", audio[:whole])
        for tag, reader in enumerate(self._readers, start=1):
            channel = samples[tag - 1 :: len(self._readers)]
            yield from _tagged(reader.accept(struct.pack(f"<{len(channel)}h", *channel)), tag)

    def finish(self) -> Iterator[pb.StreamingRecognizeResponse]:
        for tag, reader in enumerate(self._readers, start=1):
            yield from _tagged(reader.finish(), tag)


def _tagged(
    responses: Iterator[pb.StreamingRecognizeResponse], channel_tag: int
) -> Iterator[pb.StreamingRecognizeResponse]:
    for response in responses:
        for result in response.results:
            result.channel_tag = channel_tag
        yield response


class MarkedSpeech(SpeechServicer):
    """breaks: for each of the next calls, after how many bytes it ends (None: never), and with which status."""

    def __init__(self) -> None:
        self.calls = 0
        self.breaks: list[tuple[int | None, grpc.StatusCode]] = []

    def StreamingRecognize(
        self, requests: Iterator[pb.StreamingRecognizeRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.StreamingRecognizeResponse]:
        self.calls += 1
        left, status = self.breaks.pop(0) if self.breaks else (None, grpc.StatusCode.OK)
        config = next(requests).config
        yield pb.StreamingRecognizeResponse(model="marks", stream_id=str(self.calls), clock=pb.AudioClock())
        rate_hz = config.audio.sample_rate_hz or SAMPLE_RATE_HZ
        reader = Channels(rate_hz, config.audio.channels) if config.audio.separate_channels else Reader(rate_hz)
        for request in requests:
            if left is not None and left <= 0:
                context.abort(status, "as the test wants it")
            left = None if left is None else left - len(request.audio)
            for response in reader.accept(request.audio):
                if config.interim_results or response.results[0].is_final:
                    yield response
                    if response.results[0].is_final and config.endpointing.single_utterance:
                        if status is not grpc.StatusCode.OK:
                            context.abort(status, "before it can say that all is well")
                        return
        yield from reader.finish()


class MarkedServer:
    """MarkedSpeech behind a port, which can be killed and started again."""

    def __init__(self) -> None:
        self.speech = MarkedSpeech()
        self.port = 0
        self.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listens, on the same port as before."""
        self._threads = ThreadPoolExecutor(max_workers=32)
        self._server = grpc.server(self._threads, options=[("grpc.so_reuseport", 0)])
        add_SpeechServicer_to_server(self.speech, self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        self._server.start()

    def kill(self) -> None:
        """Ends all calls at once."""
        self._server.stop(None).wait()
        self._threads.shutdown()


class Proxy:
    """Passes bytes on between clients and a server, and cuts each connection after as many bytes as `cuts` says.

    cuts: for each of the next connections, whose bytes ("client" or "server") and how many; then none is cut.
    """

    def __init__(self, port: int, cuts: Iterable[tuple[str, int]]) -> None:
        self._server_port = port
        self._cuts = iter(cuts)
        self.cut_count = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Cuts everything and listens no more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in self._open:
            _cut(end)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server_port))
                self._open += [client, server]
                sender, limit = next(self._cuts, ("nobody", 0))
                for name, source, sink in (("client", client, server), ("server", server, client)):
                    arguments = (source, sink, limit if name == sender else None)
                    threading.Thread(target=self._pass_on, args=arguments, daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, left: int | None) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(4096):
                if left is not None and len(data) > left:
                    sink.sendall(data[:left])
                    self.cut_count += 1
                    break
                sink.sendall(data)
                left = None if left is None else left - len(data)
        _cut(source)
        _cut(sink)


def _cut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
