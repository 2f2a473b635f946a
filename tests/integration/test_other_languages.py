"""The README's program for Google's client, as it is printed there, and the sample for Node."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hearken import Client

ROOT = Path(__file__).parents[2]
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
    assert run.stdout.startswith("The rain had stopped")
    assert len(run.stderr.splitlines()) > 3, "interim results"
    assert "Warning" not in run.stderr
