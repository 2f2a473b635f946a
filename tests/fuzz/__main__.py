"""`make fuzz`: lets atheris look for bytes that make a target fail, guided by the code that they reach.

What may happen and what not is left to targets.py. An input that fails is written to runs/fuzz;
`python -m tests.fuzz TARGET FILE` runs it again.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_INSTRUMENTED = ["models.audio", "models.text", "models.decoding.phrases", "models.final_pass", "service.rpc"]
_LONGEST_INPUT_BYTES = 20_000
_SLOWEST_INPUT_CPU_S = 20.0
_SLOWEST_INPUT_S = 600
"""By the clock, which counts what other programs take of the machine, too."""
_MOST_MEMORY_MB = 4_000
_TARGETS = ("audio", "opus", "requests")
_FAULTS = Path("runs/fuzz")


def _fuzz(target: str, seconds: int) -> None:
    import atheris
    import torch

    torch.set_num_threads(1)  # the pieces are small, and the other target wants a core, too
    with atheris.instrument_imports(include=_INSTRUMENTED):
        from tests.fuzz import targets

    _FAULTS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(targets.seeds_of(target)):
            Path(corpus, f"seed-{number}").write_bytes(seed)
        options = {
            "max_total_time": seconds,
            "max_len": _LONGEST_INPUT_BYTES,
            "timeout": _SLOWEST_INPUT_S,
            "rss_limit_mb": _MOST_MEMORY_MB,
            "print_final_stats": 1,
            "artifact_prefix": f"{_FAULTS}/{target}-",
        }
        arguments = [f"-{name}={value}" for name, value in options.items()]

        def try_input(data: bytes) -> None:
            began_s = time.process_time()
            try:
                targets.TARGETS[target](data)
                assert time.process_time() - began_s < _SLOWEST_INPUT_CPU_S, "an input took too long"
            except Exception:
                # libFuzzer itself writes only what is too slow or takes too much memory.
                (_FAULTS / f"{target}-{hashlib.sha256(data).hexdigest()[:16]}").write_bytes(data)
                raise

        atheris.Setup([sys.argv[0], *arguments, corpus], try_input)
        atheris.Fuzz()


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="all targets side by side (default: %(default)s)")
    parser.add_argument("target", nargs="?", choices=_TARGETS, help="one target, in this process")
    parser.add_argument("file", nargs="?", type=Path, help="an input to run again")
    chosen = parser.parse_args()
    if chosen.file is not None:
        from tests.fuzz.targets import TARGETS

        TARGETS[chosen.target](chosen.file.read_bytes())
        return 0
    if chosen.target is not None:
        _fuzz(chosen.target, round(chosen.minutes * 60))
        return 0
    # Side by side, in processes of their own: atheris ends the one that it runs in.
    command = [sys.executable, "-m", "tests.fuzz", "--minutes", str(chosen.minutes)]
    running = [subprocess.Popen([*command, target]) for target in _TARGETS]
    codes = [process.wait() for process in running]
    for target, code in zip(_TARGETS, codes, strict=True):
        sys.stdout.write(f"{target}: {'a fault was found' if code else 'no fault'}\n")
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
