"""The recognizer: one loaded model package, shared by all streams. It never changes; streams remember everything.

Concurrency is the service's: `open_stream` may be called from any thread, `advance` from two at a time,
one for chunks and one for whole-utterance passes, as streams share nothing that changes.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from models.acoustic.model import AcousticModel, Emissions
from models.acoustic.state import STEP_FRAMES, AcousticState, ChunkShape, step_count
from models.channel import ChannelParts, ChunkJob, FinalJob
from models.decoding.beam import BeamDecoder
from models.decoding.greedy import greedy_ids
from models.decoding.pool import DecoderPool
from models.device import computation_type, failures_of, held_memory_bytes, open_device, release_memory, use_threads
from models.errors import InvalidOptions, PackageError
from models.features import FRAMES_PER_SECOND, SAMPLE_RATE_HZ, LogMel
from models.final_pass import final_pass_of
from models.package import SELF_TEST, WEIGHTS, ModelCard, Package, open_package
from models.shapes import rounded_up, sizes
from models.stream import Stream
from models.types import Alternative, AudioFormat, EndpointingOptions, RecognitionOptions, Result
from models.weights import load_network

log = logging.getLogger(__name__)

_PACKET_BYTES = 3200  # of callers in a rehearsal: 100 ms
_WARM_UP_CALLERS = 8
_STAGGER = 4  # so many packets apart are they; a chunk of the usual latency takes about as many


class Recognizer:
    """Audio of many callers -> results. Made by `load`."""

    def __init__(self, package: Package, device: torch.device, *, decoder_processes: int = 0) -> None:
        """decoder_processes: for beam searches; 0: in the calling thread."""
        self._package = package
        self._device = device
        self._type = computation_type(device)
        self._model = load_model(package, device).to(self._type)
        if device.type == "cpu":
            self._model.pack()
        self._log_mel = LogMel(package.config.features)
        pool = DecoderPool(package.folder, decoder_processes) if decoder_processes else None
        self._search = BeamDecoder(package)
        self._decoder: BeamDecoder | DecoderPool = pool or self._search
        self._initial_state = self._model.initial_state()
        log.info("the model is computed on %s in %s", device, self._type)

    @classmethod
    def load(cls, folder: Path, device: str = "auto", *, threads: int = 0, decoder_processes: int = 0) -> Recognizer:
        """Loads a model package and lets it recognize its own self-test utterance.

        Raises PackageError (missing, damaged, or its self-test came out wrong) or DeviceError.
        """
        use_threads(threads)
        recognizer = cls(open_package(folder), open_device(device), decoder_processes=decoder_processes)
        recognizer._self_test()
        if recognizer._device.type == "cuda":
            recognizer.rehearse(
                _WARM_UP_CALLERS
            )  # kernels are loaded when first used: a second that is no stream's cost
        return recognizer

    def close(self) -> None:
        """Ends the decoder processes, if there are any, and lets go of the device's memory; nothing works after it."""
        if isinstance(self._decoder, DecoderPool):
            self._decoder.close()
        self._model.to("meta")
        release_memory(self._device)

    @property
    def name(self) -> str:
        """The package's name."""
        return self._package.config.name

    @property
    def card(self) -> ModelCard:
        """What users should know of the model."""
        return self._package.card

    @property
    def sample_rate_hz(self) -> int:
        """The model's own rate; other rates are resampled."""
        return SAMPLE_RATE_HZ

    @property
    def latencies_ms(self) -> tuple[int, ...]:
        """The latencies that a caller may choose from."""
        return tuple(self._package.config.latencies)

    @property
    def device(self) -> str:
        """Where the acoustic model runs."""
        return str(self._device)

    @property
    def device_memory_bytes(self) -> int:
        """What this process holds of the GPU's memory; 0 on a CPU."""
        return held_memory_bytes(self._device)

    def open_stream(self, audio: AudioFormat, options: RecognitionOptions) -> Stream:
        """A new caller. Raises InvalidOptions or InvalidAudio."""
        shape = self._package.config.latencies.get(options.latency_ms)
        if shape is None:
            raise InvalidOptions(f"a latency of {options.latency_ms} ms is not offered; use one of {self.latencies_ms}")
        if options.endpointing.single_utterance and audio.separate_channels:
            raise InvalidOptions("single_utterance and separate_channels exclude each other; leave one of them unset")
        tuning = self._package.config.decoding
        output_s = self._model.output_s
        final_pass = final_pass_of(options, tuning)
        interim = partial(self._search.interim, output_s=output_s, hints=final_pass.hints)
        parts = ChannelParts(self._log_mel, shape, interim, self._initial_state, tuning, output_s)
        return Stream(audio, options, parts, final_pass)

    @torch.inference_mode()
    def advance(self, streams: Sequence[Stream]) -> list[list[Result]]:
        """Moves every ready stream one step: a chunk, or the whole-utterance pass of an ended utterance. One list each.

        After a whole-utterance pass the stream `is_decoding`, and `decode` gives its final result.

        Chunks of the same shape go through the model together. Final passes go one by one, padded by their own length
        alone: then no neighbor can change the last bits of a score, and the text of a stream is that of its file.
        If it raises, no stream has changed, so that each can be tried alone. Raises OutOfMemory and DeviceLost.
        """
        jobs = [stream.job() for stream in streams]
        with failures_of(self._device):
            finals = {i: self._whole_pass(job.frames) for i, job in enumerate(jobs) if isinstance(job, FinalJob)}
            chunks = self._chunk_pass([(i, job) for i, job in enumerate(jobs) if isinstance(job, ChunkJob)])
        for i, log_probs in finals.items():
            streams[i].absorb_final_pass(log_probs)
        return [stream.absorb_chunk(*chunks[i]) if i in chunks else [] for i, stream in enumerate(streams)]

    def decode(self, stream: Stream) -> list[Result]:
        """The final result of a stream that `is_decoding`. Any thread may call it, for different streams at a time."""
        readings = self._readings(stream.final_log_probs, stream)
        return stream.absorb_readings(readings)

    def transcribe(self, data: bytes, audio: AudioFormat, options: RecognitionOptions) -> list[Result]:
        """Final results of a whole recording. Raises InvalidOptions or InvalidAudio."""
        stream = self.open_stream(audio, options)
        results: list[Result] = []
        at = 0
        while at < len(data):
            piece = data[at : at + stream.piece_bytes]
            at += len(piece)
            stream.accept(piece)
            results += self.drain(stream)
        stream.finish()
        return [r for r in results + self.drain(stream) if r.is_final]

    def drain(self, stream: Stream) -> list[Result]:
        """All results that a stream's audio so far allows; for one stream without a service around it."""
        results: list[Result] = []
        while stream.is_ready or stream.is_decoding:
            results += self.decode(stream) if stream.is_decoding else self.advance([stream])[0]
        return results

    def rehearse(self, callers: int) -> float:
        """Recognizes the self-test utterance of so many callers, packet by packet, not all at the same place of it.

        Shows what a machine can do, and warms it up. Gives the seconds of their audio.
        """
        data = self._package.path(SELF_TEST).read_bytes()
        packets = [data[at : at + _PACKET_BYTES] for at in range(0, len(data), _PACKET_BYTES)]
        streams = [self.open_stream(AudioFormat(), RecognitionOptions()) for _ in range(callers)]
        for turn in range(len(packets) + _STAGGER):
            for number, stream in enumerate(streams):
                if 0 <= (own := turn - number % _STAGGER) < len(packets):
                    stream.accept(packets[own])
            if ready := [stream for stream in streams if stream.is_ready]:
                self.advance(ready)
        for stream in streams:
            stream.finish()
            self.drain(stream)
        return sum(stream.received_s for stream in streams)

    @torch.inference_mode()
    def prepare(self, latency_ms: int, *, max_batch: int) -> None:
        """Uses the model once in every shape that callers of one latency bring about, so that none is new later.

        What is compiled for them takes a second and 85 MB on a CPU; others would come as they are first met. max_batch:
        most streams in an `advance`. Utterances are those of at most the usual length. Raises OutOfMemory and
        DeviceLost.
        """
        shape = self._package.config.latencies[latency_ms]
        mel_bins = self._package.config.features.mel_bins
        chunk = ChunkJob(torch.zeros(shape.window_frames, mel_bins), self._initial_state, shape)
        with failures_of(self._device):
            for streams in sizes(max_batch):
                self._chunk_pass([(number, chunk) for number in range(streams)])
            for steps in sizes(step_count(round(EndpointingOptions().max_utterance_s * FRAMES_PER_SECOND))):
                self._whole_pass(torch.zeros(steps * STEP_FRAMES, mel_bins))

    def _chunk_pass(self, jobs: Sequence[tuple[int, ChunkJob]]) -> dict[int, tuple[Tensor, AcousticState]]:
        """Numbered jobs -> log probabilities [outputs, P] on the CPU and the state after, by number."""
        by_shape: dict[ChunkShape, list[tuple[int, ChunkJob]]] = defaultdict(list)
        for number, job in jobs:
            by_shape[job.shape].append((number, job))
        done = {}
        for shape, group in by_shape.items():
            nobody = rounded_up(len(group)) - len(group)
            state = AcousticState.stack([job.state for _, job in group] + [self._initial_state] * nobody)
            windows = F.pad(torch.stack([job.window for _, job in group]), (0, 0, 0, 0, 0, nobody))
            log_probs, after = self._model.forward_chunk(self._input(windows), state, shape)
            rows = slice(len(group))
            for (number, _), own, own_state in zip(
                group, self._output(log_probs)[rows], after.unstack()[rows], strict=True
            ):
                done[number] = (own, own_state)
        return done

    def _readings(self, log_probs: Tensor, stream: Stream) -> tuple[Alternative, ...]:
        if not greedy_ids(log_probs):
            return ()  # nothing but blanks: the language model must not put words into silence
        wanted = stream.final_pass
        hypotheses = self._decoder.decode(log_probs, count=wanted.count, tuning=wanted.tuning, hints=wanted.hints)
        return wanted.alternatives(
            hypotheses,
            start_s=stream.utterance_start_s,
            outputs=len(log_probs),
            output_s=self._model.output_s,
        )

    @torch.inference_mode()
    def _whole_pass(self, frames: Tensor) -> Tensor:
        """[T, F] frames of one utterance -> [outputs, P] log probabilities of phones on the CPU."""
        steps = step_count(len(frames))
        padded = F.pad(frames, (0, 0, 0, rounded_up(steps) * STEP_FRAMES - len(frames)))
        lengths = torch.tensor([len(frames)], device=self._device)
        emissions: Emissions = self._model(self._input(padded.unsqueeze(0)), lengths)
        return self._output(emissions.phones[0, : steps * self._package.config.acoustic.outputs_per_step])

    def _input(self, frames: Tensor) -> Tensor:
        # From pinned memory a GPU fetches them by itself; from other memory the CPU copies them first.
        pinned = frames.pin_memory() if self._device.type == "cuda" else frames
        return pinned.to(self._device, self._type, non_blocking=True)

    def _output(self, log_probs: Tensor) -> Tensor:
        """The same on the CPU; the one wait of a pass."""
        if self._device.type == "cuda":
            # The copy alone would wait as well, but keep a core busy with it.
            done = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
            done.record(torch.cuda.current_stream(self._device))
            done.synchronize()
        return log_probs.cpu()

    def _self_test(self) -> None:
        wanted = self._package.config.self_test_text
        data = self._package.path(SELF_TEST).read_bytes()
        results = self.transcribe(data, AudioFormat(), RecognitionOptions(interim=False))
        heard = " ".join(result.alternatives[0].transcript for result in results)
        if heard != wanted:
            raise PackageError(f"the self-test of {self._package.folder} gave {heard!r} instead of {wanted!r}")
        log.info("model %s on %s: self-test passed", self.name, self._device)


def load_model(package: Package, device: torch.device) -> AcousticModel:
    """The package's acoustic model in float32, ready for inference. Raises PackageError."""
    return load_network(partial(AcousticModel, package.config.acoustic), package.path(WEIGHTS), device)
