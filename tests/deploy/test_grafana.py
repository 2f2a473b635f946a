"""The dashboard asks for metrics that exist, by labels that they have, and shows every metric that there is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from service.metrics import Metrics

DASHBOARD = json.loads((Path(__file__).parents[2] / "deploy" / "grafana" / "hearken.json").read_text(encoding="utf-8"))
QUERIES = [(panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel["targets"]]
NAME = re.compile(r"\b(?:hearken|process)_\w+")
GIVEN_BY_PROMETHEUS = {"job", "instance", "le"}
UNSHOWN = {"process_virtual_memory_bytes", "process_start_time_seconds"}


def exported() -> dict[str, set[str]]:
    """Every sample's name with its labels, as a server with traffic exports them."""
    metrics = Metrics()
    labels: dict[str, set[str]] = {}
    for metric in vars(metrics).values():
        names = getattr(metric, "_labelnames", None)
        if names:
            metric.labels(*("x" for _ in names))
    for family in text_string_to_metric_families(generate_latest(metrics.registry).decode()):
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    return labels


EXPORTED = exported()


@pytest.mark.parametrize(("title", "query"), QUERIES)
def test_a_query_asks_for_what_is_exported(title: str, query: str) -> None:
    names = NAME.findall(query)
    assert names, query
    for name in names:
        assert name in EXPORTED, f"{title}: there is no {name}"
    grouped = [label.strip() for group in re.findall(r"by \(([^)]*)\)", query) for label in group.split(",")]
    matched = re.findall(r"[{,](\w+)=~?\"", query)
    known = set.union(*(EXPORTED[name] for name in names)) | GIVEN_BY_PROMETHEUS
    assert {*grouped, *matched} <= known, title


@pytest.mark.parametrize("panel", DASHBOARD["panels"], ids=lambda panel: panel["title"])
def test_legends_name_labels_that_the_query_keeps(panel: dict[str, list[dict[str, str]]]) -> None:
    for target in panel["targets"]:
        kept = re.findall(r"by \(([^)]*)\)", target["expr"])
        named = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
        assert named <= {label.strip() for group in kept for label in group.split(",")}


def test_variables_ask_for_what_is_exported() -> None:
    asked = [variable["query"] for variable in DASHBOARD["templating"]["list"] if variable["type"] == "query"]
    assert asked and all(set(NAME.findall(query)) <= set(EXPORTED) for query in asked)


def test_every_metric_is_shown() -> None:
    shown = {name for _, query in QUERIES for name in NAME.findall(query)}
    families = {re.sub(r"_(bucket|sum|count|created|total)$", "", name) for name in EXPORTED if "created" not in name}
    missing = {family for family in families if not any(name.startswith(family) for name in shown)}
    assert missing - UNSHOWN == set()
