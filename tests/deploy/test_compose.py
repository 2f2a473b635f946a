"""docker-compose*.yml: its services fit the server's settings, each other, and what docs/operations.md says of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from service.settings import Settings, variable_of

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).parents[2]
FILES = ("docker-compose.yml", "docker-compose.gpu.yml", "docker-compose.tls.yml")
TEXTS = {name: (ROOT / name).read_text(encoding="utf-8") for name in FILES}
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXTS["docker-compose.yml"])["services"]
OURS = ("hearken", "balancer", "client", "captions")
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def read(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def test_the_page_names_every_variable_with_its_default() -> None:
    used = {
        (name, default or "unset")
        for text in TEXTS.values()
        for name, default in re.findall(r"\$\{(\w+):-([^}]*)\}", text)
    }
    # With a GPU a replica has more memory by default, which the row says in its text.
    used.discard(("REPLICA_MEMORY", "8g"))
    (table,) = re.findall(r"^\| variable \| default \| meaning \|\n\|[-|]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    shown = set()
    for row in table.splitlines():
        names, defaults = (cell.replace("`", "").strip().split(", ") for cell in row.split("|")[1:3])
        shown |= set(zip(names, defaults, strict=True))
    assert shown == used


def test_the_replicas_get_settings_that_exist_and_the_time_to_drain() -> None:
    names = {*SERVICES["hearken"]["environment"], *read("docker-compose.gpu.yml")["services"]["hearken"]["environment"]}
    names |= set(read("docker-compose.tls.yml")["services"]["hearken"]["environment"])
    assert names <= set(map(variable_of, Settings.model_fields))
    for service in ("hearken", "balancer"):
        assert int(SERVICES[service]["stop_grace_period"].removesuffix("s")) > Settings().drain_grace_s
    assert SERVICES["hearken"]["expose"] == [str(Settings().port), str(Settings().metrics_port)]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_locked_up(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] and service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"cpus", "memory", "pids"} <= set(service["deploy"]["resources"]["limits"])
    assert service["restart"] == ("no" if name == "client" else "unless-stopped")
    # Loopback only, but for the balancer, whose address is a variable with loopback as its default.
    assert all(port.startswith(("127.0.0.1:", "${BALANCER_ADDRESS:-127.0.0.1}:")) for port in service.get("ports", []))


@pytest.mark.parametrize("name", OURS)
def test_our_images_are_built_from_the_dockerfile_and_asked_of_no_registry(name: str) -> None:
    service = SERVICES[name]
    assert service["pull_policy"] == "never"
    stages = re.findall(r"^FROM \S+ AS (\w+)$", (ROOT / "service/Dockerfile").read_text(), re.MULTILINE)
    assert service["build"]["target"] in stages


def test_what_is_mounted_is_there() -> None:
    sources = [mount.split(":")[0] for service in SERVICES.values() for mount in service.get("volumes", [])]
    files = [source for source in sources if source.startswith("./")]
    assert files and all((ROOT / file).exists() for file in files)


def test_prometheus_reads_ports_of_services() -> None:
    jobs = read("deploy/observability/prometheus.yml")["scrape_configs"]
    targets = {(name, str(found["port"])) for job in jobs for found in job["dns_sd_configs"] for name in found["names"]}
    assert {name for name, _ in targets} == {"hearken", "balancer"}
    assert all(port in SERVICES[name]["expose"] for name, port in targets)


def test_grafana_finds_prometheus_and_the_dashboard() -> None:
    folder = "deploy/observability/grafana/provisioning"
    (source,) = read(f"{folder}/datasources/prometheus.yml")["datasources"]
    assert source["url"] == "http://prometheus:9090" and source["isDefault"]
    (provider,) = read(f"{folder}/dashboards/hearken.yml")["providers"]
    mounts = dict(mount.split(":")[:2] for mount in SERVICES["grafana"]["volumes"])
    assert provider["options"]["path"] == mounts["./deploy/grafana"]
    assert mounts[f"./{folder}"] == "/etc/grafana/provisioning"
    (dashboard,) = (json.loads(path.read_text()) for path in (ROOT / "deploy" / "grafana").glob("*.json"))
    choice = next(one for one in dashboard["templating"]["list"] if one["name"] == "source")
    assert choice["query"] == source["type"]
