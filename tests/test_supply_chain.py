"""What is installed is bounded and pinned, and nothing that is loaded can carry code."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECTS = ["pyproject.toml", "clients/python/pyproject.toml", "clients/web/pyproject.toml"]
UNPICKLING = re.compile(
    r"\b(pickle|cPickle|dill|joblib|marshal|shelve)\.|\btorch\.load\(|allow_pickle=True|(?<![.\w])(eval|exec)\("
)


def requirements(project: str) -> list[str]:
    table = tomllib.loads((ROOT / project).read_text(encoding="utf-8"))["project"]
    extras = table.get("optional-dependencies", {})
    return [*table.get("dependencies", []), *(requirement for extra in extras.values() for requirement in extra)]


def test_every_dependency_has_an_upper_bound() -> None:
    ours = ("hearken", "types-")
    for project in PROJECTS:
        for requirement in requirements(project):
            if not requirement.startswith(ours):
                assert "<" in requirement or "==" in requirement, f"{requirement} in {project}"


def test_what_a_checkout_installs_is_pinned() -> None:
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {pin.partition("==")[0].lower().replace("_", "-") for pin in pins if "==" in pin}
    wanted = requirements("pyproject.toml") + requirements("clients/python/pyproject.toml")
    names = {re.split(r"[^\w-]", requirement, maxsplit=1)[0].lower() for requirement in wanted}
    assert names - pinned - {"hearken", "hearken-server"} <= {"sounddevice"}  # for microphones; nobody needs it here


def test_nothing_unpickles_or_evaluates() -> None:
    for folder in ("models", "service", "clients/python/hearken"):
        for path in (ROOT / folder).rglob("*.py"):
            if path.is_relative_to(ROOT / "models" / "training"):
                continue  # reads its own checkpoints, of weights only
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
                found = UNPICKLING.search(line)
                assert found is None, f"{path}:{number}: {line.strip()}"
