"""Generates the Python stubs in clients/python/hearken/v1 from the .proto files (`make protos`).

That the stubs match the .proto is left to tests/protos/test_stubs_are_fresh.py.

The compiler is the oldest that we support, whatever this environment holds: protobuf promises that generated code of
major version V runs on V and V+1 only, and refuses a runtime older than the generator. Its current runtime packages do
not resolve beside it, so it goes into a folder of its own for the one call.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

GRPCIO_TOOLS_VERSION = "1.76.0"
"""Generates for protobuf >= 6.31.1, < 8 and grpcio >= 1.76.0: the bounds in clients/python/pyproject.toml."""

PROTOS = Path(__file__).resolve().parent
STUBS = PROTOS.parent / "clients" / "python"


def generate(output: Path) -> None:
    """Write the stubs of every .proto file under `output`."""
    with tempfile.TemporaryDirectory(prefix="hearken-protoc-") as compiler:
        requirement = f"grpcio-tools=={GRPCIO_TOOLS_VERSION}"
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", compiler, requirement],
            check=True,
        )
        flags = [f"--proto_path={PROTOS}", *(f"--{kind}_out={output}" for kind in ("python", "pyi", "grpc_python"))]
        files = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto"))
        subprocess.run(
            [sys.executable, "-m", "grpc_tools.protoc", *flags, *files],
            check=True,
            env={**os.environ, "PYTHONPATH": compiler},
        )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=STUBS, help="folder to write to (default: %(default)s)")
    generate(parser.parse_args().output)


if __name__ == "__main__":
    main()
