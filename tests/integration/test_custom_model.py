"""The commands in docs/training.md for a language model of one's own, on the tiny package, which hears nonsense."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from service.__main__ import main
from tests.models import conftest as tiny_model

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")

tiny_package = tiny_model.tiny_package


def commands(title: str) -> str:
    """The block of the page that begins with this comment."""
    (block,) = re.findall(rf"^```bash\n# {title}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return str(block)


def test_a_package_is_made_of_a_text_served_and_chosen_by_its_name(
    tiny_package: Path, tmp_path: Path, run_server: Callable[..., AbstractContextManager[Any]], samples_dir: Path
) -> None:
    path = os.pathsep.join([str(ROOT), str(ROOT / "clients" / "python")])

    def run(block: str, **variables: str) -> str:
        block = block.replace(".venv/bin/python", sys.executable).replace(
            ".venv/bin/hearken", f"{sys.executable} -m hearken"
        )
        environment = {**os.environ, "PYTHONPATH": path, **variables}
        ran = subprocess.run(
            ["bash", "-euc", block], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    made = run(commands("make"), HEARKEN_MODEL=str(tiny_package))
    assert "pronounced by the rules of spelling" in made and "tiramisu" in made
    (served,) = re.findall(r"HEARKEN_MODELS=(\S+) ", commands("serve"))
    (tmp_path / "recording.wav").write_bytes((samples_dir / "rain.wav").read_bytes())
    with run_server(model=tiny_package, models=tmp_path / served) as serving:
        used = commands("use").replace("models\n", f"models --server {serving.address}\n")
        used = used.replace("recording.wav", f"recording.wav --json --server {serving.address}")
        listed = run(used)
    assert listed.startswith("tiny\ten-US\t16000\nkitchen\ten-US\t16000\n")
    assert '"model": "kitchen"' in listed


def test_the_page_names_no_option_that_does_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["language-model", "--help"])
    options = capsys.readouterr().out
    section = PAGE.partition("## A language model of your own")[2]
    for option in set(re.findall(r"--[a-z][a-z-]+", section)) - {"--model"}:
        assert option in options
