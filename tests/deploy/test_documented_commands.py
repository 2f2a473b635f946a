"""The commands that the documents show: shell that parses, with files, targets and options that there are."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)
OURS = re.compile(r"(?<![\w/.$])(?:deploy|clients|docs|models|service|tests|protos)/[\w./-]+")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
BLOCKS = BLOCK.findall((ROOT / "docs" / "operations.md").read_text(encoding="utf-8"))
COMMANDS = [
    line.strip() for block in BLOCKS for line in block.replace("\\\n", " ").splitlines() if not line.startswith("#")
]


def having(*words: str) -> list[list[str]]:
    """The arguments after these words, wherever a command has them."""
    found = []
    for command in COMMANDS:
        if command.startswith(words[0]) or f" {words[0]} " in command or f"/{words[0]} " in command:
            given = shlex.split(command, comments=True)
            for at in range(len(given) - len(words) + 1):
                if [given[at].rpartition("/")[2], *given[at + 1 : at + len(words)]] == list(words):
                    found.append(given[at + len(words) :])
    return found


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[0][:40])
def test_a_block_is_shell_that_parses_and_names_files_that_exist(block: str) -> None:
    parsed = subprocess.run(["bash", "-n"], input=block, text=True, capture_output=True)
    assert (parsed.returncode, parsed.stderr) == (0, "")
    for path in OURS.findall(block):
        assert (ROOT / path).exists(), f"{path} is not there"


def test_every_target_of_make_and_its_variables_exist() -> None:
    asked = having("make")
    assert asked
    for target, *variables in asked:
        assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)
        for variable in variables:
            assert f"$({variable.partition('=')[0]})" in MAKEFILE


def test_every_compose_file_and_service_exists() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    asked = having("docker", "compose")
    assert asked
    for arguments in asked:
        for option, value in pairwise(arguments):
            if option == "-f":
                assert (ROOT / value).is_file()
            if option == "--profile":
                assert f"profiles: [{value}]" in text
            if option == "--scale":
                assert f"\n  {value.partition('=')[0]}:\n" in text


@pytest.mark.parametrize("command", ["batch", "token create"])
def test_every_option_of_the_servers_commands_exists(command: str) -> None:
    asked = [*having("python", "-m", "service", *command.split()), *having("hearken-server", *command.split())]
    assert asked
    usage = subprocess.run(
        [sys.executable, "-m", "service", *command.split(), "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for arguments in asked:
        for argument in arguments:
            assert not argument.startswith("--") or f" {argument} " in usage, f"{command} has no {argument}"


def test_every_folder_for_kubectl_is_one_of_kustomize() -> None:
    folders = [value for arguments in having("kubectl") for flag, value in pairwise(arguments) if flag == "-k"]
    assert folders and all((ROOT / folder / "kustomization.yaml").is_file() for folder in folders)
