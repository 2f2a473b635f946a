"""Turns ARPA files into KenLM's quantized trie, which a server maps into memory instead of parsing it.

KenLM's `build_binary` is in no wheel: its sources (PyPI's `kenlm`, LGPL) are fetched with pip and compiled with a C++
compiler once, in about half a minute, into a cache folder. flashlight-text reads the result with the KenLM inside it.
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from models.errors import DataError

log = logging.getLogger(__name__)

KENLM_VERSION = "0.3.0"
MAX_ORDER = 6  # as in flashlight-text's build
POINTER_BITS = 64  # upper limit of bits saved a pointer; the compression is lossless


def cache_folder() -> Path:
    """Where the compiled tool stays: `$XDG_CACHE_HOME/hearken`, by default `~/.cache/hearken`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hearken"


def find_build_binary() -> Path | None:
    """KenLM's `build_binary` from the PATH or from the cache folder; None where it is not compiled yet."""
    if installed := shutil.which("build_binary"):
        return Path(installed)
    return tool if (tool := _cached_tool()).is_file() else None


def compile_build_binary() -> Path:
    """Fetches KenLM's sources and compiles `build_binary` into the cache folder."""
    tool = _cached_tool()
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        raise DataError("a KenLM binary needs a C++ compiler: install g++ (Debian: apt install g++), or set CXX")
    log.info("compiling KenLM %s, once, into %s", KENLM_VERSION, tool.parent)
    tool.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=tool.parent) as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        _run([*pip, "--no-binary", "kenlm", "--dest", folder, f"kenlm=={KENLM_VERSION}"], "fetch KenLM's sources")
        (archive,) = Path(folder).glob("kenlm-*.tar.gz")
        with tarfile.open(archive) as sources:
            sources.extractall(folder, filter="data")
        root = Path(folder) / f"kenlm-{KENLM_VERSION}"
        library = [
            str(source.relative_to(root))
            for part in ("lm", "util", "util/double-conversion")
            for source in sorted((root / part).glob("*.cc"))
            if not source.stem.endswith(("_main", "_test"))
        ]
        flags = ["-O2", "-w", "-std=c++11", "-DNDEBUG", f"-DKENLM_MAX_ORDER={MAX_ORDER}", "-I.", "-pthread"]
        built = Path(folder) / "build_binary"
        _run([compiler, *flags, "lm/build_binary_main.cc", *library, "-o", str(built)], "compile KenLM", root)
        built.rename(tool)
    return tool


def write_binary(arpa: Path, binary: Path, *, bits: int = 8) -> None:
    """Writes `arpa` as a trie whose probabilities and backoff weights have `bits` bits each (order 1: not quantized).

    The words themselves are left out (-v): the decoder looks them up by hash, from its own list.
    """
    options = ["-v", "-q", str(bits), "-b", str(bits), "-a", str(POINTER_BITS), "trie"]
    tool = find_build_binary() or compile_build_binary()
    _run([str(tool), *options, str(arpa), str(binary)], f"turn {arpa} into a KenLM binary")


def _cached_tool() -> Path:
    return cache_folder() / f"kenlm-{KENLM_VERSION}" / "build_binary"


def _run(command: Sequence[str], purpose: str, folder: Path | None = None) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DataError(
            f"could not {purpose}: `{' '.join(command[:4])} …` said:\n{(done.stderr or done.stdout)[-2000:]}"
        )
