"""The same audio gives the same words through hearken.v1, Google's API and Riva's, streamed and whole.

Official clients, bundled model, bundled recordings.
"""

from __future__ import annotations

import io
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
import riva.client
import soundfile
from google.cloud import speech
from google.cloud.speech_v1.services.speech.transports import SpeechGrpcTransport

from hearken import Client

PACKET_BYTES = 3_333


@pytest.fixture(scope="module")
def google(server: str) -> Iterator[speech.SpeechClient]:
    with grpc.insecure_channel(server) as channel:
        yield speech.SpeechClient(transport=SpeechGrpcTransport(channel=channel))


@pytest.fixture(scope="module")
def nvidia(server: str) -> riva.client.ASRService:
    return riva.client.ASRService(riva.client.Auth(uri=server))


def packets(audio: bytes) -> Iterator[bytes]:
    return (audio[at : at + PACKET_BYTES] for at in range(0, len(audio), PACKET_BYTES))


def by_google_whole(client: speech.SpeechClient, audio: bytes) -> str:
    response = client.recognize(config=speech.RecognitionConfig(), audio=speech.RecognitionAudio(content=audio))
    return "".join(result.alternatives[0].transcript for result in response.results)


def by_google_operation(client: speech.SpeechClient, audio: bytes) -> str:
    operation = client.long_running_recognize(
        config=speech.RecognitionConfig(), audio=speech.RecognitionAudio(content=audio)
    )
    results = operation.result(timeout=60).results
    return "".join(result.alternatives[0].transcript for result in results)


def by_google_streamed(client: speech.SpeechClient, audio: bytes) -> str:
    config = speech.StreamingRecognitionConfig(config=speech.RecognitionConfig(), interim_results=True)
    requests = (speech.StreamingRecognizeRequest(audio_content=piece) for piece in packets(audio))
    responses = client.streaming_recognize(config=config, requests=requests)
    finals = (result for response in responses for result in response.results if result.is_final)
    return "".join(result.alternatives[0].transcript for result in finals)


def by_riva_whole(service: riva.client.ASRService, audio: bytes) -> str:
    response = service.offline_recognize(audio, riva.client.RecognitionConfig(verbatim_transcripts=True))
    return "".join(result.alternatives[0].transcript for result in response.results).removesuffix(" ")


def by_riva_streamed(service: riva.client.ASRService, audio: bytes) -> str:
    config = riva.client.StreamingRecognitionConfig(
        config=riva.client.RecognitionConfig(verbatim_transcripts=True), interim_results=True
    )
    responses = service.streaming_response_generator(packets(audio), config)
    finals = (result for response in responses for result in response.results if result.is_final)
    return "".join(result.alternatives[0].transcript for result in finals).removesuffix(" ")


def wav_with_a_pause(path: Path) -> bytes:
    """The recording twice, with two seconds of faint noise between: two utterances."""
    with wave.open(str(path)) as file:
        parameters, samples = file.getparams(), file.readframes(file.getnframes())
    noise = np.random.default_rng(0).normal(0, 3, 2 * parameters.framerate).astype("<i2").tobytes()
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setparams(parameters)
        file.writeframes(samples + noise + samples)
    return written.getvalue()


def as_flac(path: Path) -> bytes:
    samples, rate_hz = soundfile.read(path, dtype="int16")
    written = io.BytesIO()
    soundfile.write(written, samples, rate_hz, format="FLAC")
    return written.getvalue()


@pytest.mark.parametrize(
    ("name", "read"),
    [("two-sentences.wav", Path.read_bytes), ("rain.wav", wav_with_a_pause), ("brook.wav", as_flac)],
    ids=["WAV", "two utterances", "FLAC"],
)
def test_the_same_audio_gives_the_same_words(
    server: str,
    google: speech.SpeechClient,
    nvidia: riva.client.ASRService,
    samples_dir: Path,
    name: str,
    read: Callable[[Path], bytes],
) -> None:
    audio = read(samples_dir / name)
    with Client(server) as client:
        own = client.transcribe(audio).text
        streamed = " ".join(result.text for result in client.stream(packets(audio)) if result.is_final)
    assert len(own.split()) > 3
    assert streamed == own
    assert by_google_whole(google, audio) == own
    assert by_google_operation(google, audio) == own
    assert by_google_streamed(google, audio) == own
    assert by_riva_whole(nvidia, audio) == own
    assert by_riva_streamed(nvidia, audio) == own
