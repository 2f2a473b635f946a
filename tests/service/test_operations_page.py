"""docs/operations.md: it names every setting with its true default, and its first commands work."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from service.settings import CONFIG_VARIABLE, PREFIX, Settings, load_settings, variable_of

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(HEARKEN_\w+)` \| ([^|]*) \| ?([^|]*?) ?\|", re.MULTILINE)


def as_shown(default: Any) -> str:
    return str(int(default)) if isinstance(default, bool) else str(default) or "unset"


def test_the_tables_name_every_setting_with_its_default_and_unit() -> None:
    settings = {
        variable_of(field): (as_shown(info.default), info.json_schema_extra["unit"] or "")  # type: ignore[index, call-overload]
        for field, info in Settings.model_fields.items()
    }
    rows = [(name, (default, unit)) for name, default, unit in ROW.findall(PAGE)]
    assert dict(rows) == settings
    assert len(rows) == len(settings), "a setting has two rows"


def test_every_variable_on_the_page_exists() -> None:
    named = set(re.findall(rf"\b{PREFIX}\w+", PAGE)) - {PREFIX}
    assert named <= {CONFIG_VARIABLE, *map(variable_of, Settings.model_fields)}


def commands(title: str) -> str:
    """The block of the page that begins with this comment."""
    (block,) = re.findall(rf"^```bash\n# {title}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return str(block)


@pytest.mark.asyncio
@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make certificates")
async def test_the_first_commands_give_a_server_with_tls_and_tokens_that_the_client_can_use(
    tmp_path: Path, serve: Any
) -> None:
    ours = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    environment = {**ours, "HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join([".", "clients/python"])}

    async def run(block: str) -> str:
        ran = await asyncio.to_thread(
            subprocess.run,
            ["bash", "-euc", block],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    await run(commands("set up").replace(".venv/bin/python", sys.executable))
    settings = load_settings({CONFIG_VARIABLE: str(tmp_path / ".hearken" / "hearken.toml")})
    written = settings.model_dump(include=settings.model_fields_set)
    assert {"tls_certificate", "tls_key", "tokens_file"} <= set(written)
    async with serve(**written) as running:
        use = commands("use").replace("localhost:50051", f"localhost:{running.server.port}")
        use = use.replace(".venv/bin/hearken", f"{sys.executable} -m hearken")
        printed = await run(use.replace("127.0.0.1:9464", f"127.0.0.1:{running.server.metrics_port}"))
    assert "w1 w2" in printed and "hearken_streams_active" in printed
