"""`batch --ray` on a real Ray cluster of two nodes on this machine, one of which is killed in the middle."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.programs import program

pytest.importorskip("ray", reason="needs the extra `ray`")


@pytest.fixture
def cluster(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Two nodes with a CPU each; their actors are processes with the same environment as the command."""
    for name in ("PYTHONPATH", "RAY_USAGE_STATS_ENABLED"):
        monkeypatch.setenv(name, environment[name])
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    yield cluster
    cluster.shutdown()


def test_every_recording_has_one_transcript_although_a_node_dies(
    cluster: Any,
    recordings: Path,
    command: Callable[..., list[str]],
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    # Two recordings that come from pipes: whoever reads them is in the middle of them for as long as the test wants.
    audio = (recordings / "one.wav").read_bytes()
    pipes = [tmp_path / "first.wav", tmp_path / "second.wav"]
    for pipe in pipes:
        os.mkfifo(pipe)
    output = tmp_path / "output"
    arguments = command(*pipes, recordings, "--output", output, "--ray", cluster.address)
    with program(arguments, env=environment, stderr=subprocess.PIPE, text=True) as running:
        writers = [pipe.open("wb", buffering=0) for pipe in pipes]  # waits until it is being read
        (other,) = cluster.worker_nodes
        cluster.remove_node(other, allow_graceful=False)
        assert running.stderr is not None
        lost = next(line for line in running.stderr if "its Ray actor or node died; another worker tries it" in line)
        # The one that lives first: only when it is done, it can begin the other's recording.
        for pipe, writer in sorted(zip(pipes, writers, strict=True), key=lambda pair: str(pair[0]) in lost):
            if str(pipe) in lost:  # somebody else reads it from its beginning
                writer.close()
                writer = pipe.open("wb", buffering=0)
            writer.write(audio)
            writer.close()
        _, said = running.communicate(timeout=120)
    assert running.returncode == 0, said
    assert "5 transcribed, 0 were done already, 0 failed" in said
    found = sorted(str(path.relative_to(output)) for path in output.rglob("*") if path.is_file())
    assert found == ["first.jsonl", "inner/three.jsonl", "one.jsonl", "second.jsonl", "two.jsonl"]
    texts = [(output / name).read_text().replace(str(tmp_path), "") for name in ("first.jsonl", "second.jsonl")]
    assert texts[0].replace("/first", "/second") == texts[1], "the same audio, the same text"
