"""The programs in other languages, as the README and docs/languages.md print them, against the real server."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import ParseDict
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from hearken import Client

ROOT = Path(__file__).parents[2]
LANGUAGES = (ROOT / "docs" / "languages.md").read_text(encoding="utf-8")
GO_PATH = Path("/usr/share/gocode")
"""Where Debian's packages of Go libraries lie; golang-google-cloud-dev has the speech client."""
OF_DEBIANS_RELEASE = {
    '"cloud.google.com/go/speech/apiv1/speechpb"': 'speechpb "google.golang.org/genproto/googleapis/cloud/speech/v1"',
    '"google.golang.org/grpc/credentials/insecure"': "",
    "grpc.WithTransportCredentials(insecure.NewCredentials())": "grpc.WithInsecure()",
}
"""Its older names."""
NODE_SAMPLE = ROOT / "clients" / "samples" / "node"


def test_the_readmes_program_with_googles_client(server: str, samples_dir: Path, tmp_path: Path) -> None:
    (program,) = re.findall(r"```python\n(import grpc\n.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    shutil.copy(samples_dir / "two-sentences.wav", tmp_path / "recording.wav")
    there = program.replace("localhost:50051", server)
    run = subprocess.run([sys.executable, "-c", there], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    with Client(server) as client:
        expected = client.transcribe((samples_dir / "two-sentences.wav").read_bytes()).text
    assert " ".join(run.stdout.split()) == expected


def test_the_sample_for_node_shows_captions(server: str, samples_dir: Path) -> None:
    if shutil.which("node") is None or not (NODE_SAMPLE / "node_modules").is_dir():
        pytest.skip("NODE IS NOT TESTED: run `npm ci` in clients/samples/node")
    command = ["node", "live_captions.mjs", str(samples_dir / "rain.wav"), server]
    run = subprocess.run(command, cwd=NODE_SAMPLE, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    with Client(server) as client:
        assert run.stdout.strip() == client.transcribe(samples_dir / "rain.wav", automatic_punctuation=True).text
    assert len(run.stderr.splitlines()) > 3, "interim results"
    assert "Warning" not in run.stderr


def test_the_program_in_go_shows_captions(server: str, samples_dir: Path, tmp_path: Path) -> None:
    if shutil.which("go") is None or not (GO_PATH / "src" / "cloud.google.com" / "go" / "speech").is_dir():
        pytest.skip("GO IS NOT TESTED: install Debian's golang-go and golang-google-cloud-dev")
    (program,) = re.findall(r"```go\n(.*?)```", LANGUAGES, flags=re.DOTALL)
    for today, older in OF_DEBIANS_RELEASE.items():
        assert today in program
        program = program.replace(today, older)
    (tmp_path / "captions.go").write_text(program)
    there = os.environ | {"GO111MODULE": "off", "GOPATH": str(GO_PATH)}
    subprocess.run(["go", "build", "-o", "captions", "captions.go"], cwd=tmp_path, env=there, check=True)
    command = [tmp_path / "captions", samples_dir / "rain.wav", server]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    with Client(server) as client:
        assert run.stdout.splitlines()[-1] == client.transcribe(samples_dir / "rain.wav").text


def test_what_grpcurl_is_given_is_understood_by_reflection(server: str, samples_dir: Path) -> None:
    """grpcurl itself is a program in Go; this does what it does with the same JSON."""
    with grpc.insecure_channel(server) as channel:
        pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
        shown = re.findall(r"hearken\.v1\.Speech/(\w+)", LANGUAGES)
        methods = pool.FindServiceByName("hearken.v1.Speech").methods_by_name
        assert set(shown) == set(methods)
        audio = base64.b64encode((samples_dir / "rain.wav").read_bytes()).decode()
        (whole,) = re.findall(r'echo "(.*)" \|', LANGUAGES)
        message = json.loads(whole.replace('\\"', '"').replace("$(base64 -w0 recording.wav)", audio))
        recognize = channel.unary_unary("/hearken.v1.Speech/Recognize", lambda m: m.SerializeToString())
        answer = GetMessageClass(methods["Recognize"].output_type).FromString(
            recognize(ParseDict(message, GetMessageClass(methods["Recognize"].input_type)()))
        )
        assert answer.results[0].alternatives[0].words
        (config,) = re.findall(r"echo '(.*)'", LANGUAGES)
        request = GetMessageClass(methods["StreamingRecognize"].input_type)
        assert ParseDict(json.loads(config), request()).config.interim_results
        assert ParseDict(json.loads('{"audio": "AAAA"}'), request()).audio == bytes(3)
