"""deploy/kubernetes: the manifests fit Kubernetes' schemas, each other, and the server.

Schemas of the Gateway API are not among those that can be installed; of its files only the references are checked here,
and in test_gateway.py the rest.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from service.metrics import Metrics
from service.settings import Settings, variable_of

yaml = pytest.importorskip("yaml")
kubernetes_validate = pytest.importorskip("kubernetes_validate")

FOLDER = Path(__file__).parents[2] / "deploy" / "kubernetes"
VERSIONS = ("1.31", "1.33", "1.35")
GATEWAY_API = "gateway.networking.k8s.io"
POD_LABELS = {"app.kubernetes.io/name": "hearken"}


def documents(path: Path) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(path.read_text(encoding="utf-8")) if document]


BASE = {
    document["kind"]: document
    for name in documents(FOLDER / "base" / "kustomization.yaml")[0]["resources"]
    for document in documents(FOLDER / "base" / name)
}
POD = BASE["Deployment"]["spec"]["template"]
(CONTAINER,) = POD["spec"]["containers"]
VARIABLES = {variable["name"]: variable["value"] for variable in CONTAINER["env"]}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", BASE)
def test_a_manifest_fits_the_schema_of_kubernetes(kind: str, version: str) -> None:
    kubernetes_validate.validate(BASE[kind], version, strict=True)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl to put the manifests together")
@pytest.mark.parametrize("overlay", ["base", "gpu", "gateway"])
def test_what_kustomize_makes_fits_the_schema_and_changes_no_selector(overlay: str) -> None:
    made = subprocess.run(["kubectl", "kustomize", FOLDER / overlay], capture_output=True, text=True, check=True)
    found = {document["kind"]: document for document in yaml.safe_load_all(made.stdout)}
    for document in found.values():
        if GATEWAY_API not in document["apiVersion"]:
            kubernetes_validate.validate(document, VERSIONS[-1], strict=True)
    assert found["NetworkPolicy"] == BASE["NetworkPolicy"]
    assert found["Service"] == BASE["Service"]
    limits = found["Deployment"]["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert ("nvidia.com/gpu" in limits) == (overlay == "gpu")


def test_the_selectors_mean_the_pods() -> None:
    assert POD["metadata"]["labels"] == POD_LABELS
    assert BASE["Deployment"]["spec"]["selector"]["matchLabels"] == POD_LABELS
    assert BASE["Service"]["spec"]["selector"] == POD_LABELS
    assert BASE["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == POD_LABELS
    assert BASE["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == POD_LABELS
    target = BASE["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", BASE["Deployment"]["metadata"]["name"])


def test_every_variable_is_a_setting_also_on_gpus() -> None:
    (patch,) = documents(FOLDER / "gpu" / "deployment.yaml")
    (container,) = patch["spec"]["template"]["spec"]["containers"]
    names = {*VARIABLES, *(variable["name"] for variable in container["env"])}
    assert names <= set(map(variable_of, Settings.model_fields))
    assert container["name"] == CONTAINER["name"]


def test_ports_and_the_metric_are_the_servers() -> None:
    ports = {port["name"]: port["containerPort"] for port in CONTAINER["ports"]}
    assert ports == {"grpc": Settings().port, "metrics": Settings().metrics_port}
    (metric,) = BASE["HorizontalPodAutoscaler"]["spec"]["metrics"]
    assert metric["pods"]["metric"]["name"] in {family.name for family in Metrics().registry.collect()}


def test_a_stop_leaves_the_streams_their_time() -> None:
    *_, wait_s = CONTAINER["lifecycle"]["preStop"]["exec"]["command"]
    assert POD["spec"]["terminationGracePeriodSeconds"] > int(wait_s) + Settings().drain_grace_s


def test_files_are_mounted_where_the_settings_name_them() -> None:
    mounts = {mount["mountPath"] for mount in CONTAINER["volumeMounts"]}
    files = [VARIABLES[variable_of(field)] for field in ("tls_certificate", "tls_key", "tokens_file")]
    assert {str(Path(file).parent) for file in files} <= mounts
    assert {mount["name"] for mount in CONTAINER["volumeMounts"]} == {
        volume["name"] for volume in POD["spec"]["volumes"]
    }


def test_the_pod_fits_the_restricted_security_standard() -> None:
    pod, container = POD["spec"]["securityContext"], CONTAINER["securityContext"]
    assert pod["runAsNonRoot"] and pod["runAsUser"] and pod["seccompProfile"]["type"] == "RuntimeDefault"
    assert not container["allowPrivilegeEscalation"] and container["capabilities"] == {"drop": ["ALL"]}
    assert container["readOnlyRootFilesystem"] and not POD["spec"]["automountServiceAccountToken"]


def test_the_gateway_sends_to_the_service() -> None:
    routes = {document["kind"]: document["spec"] for document in documents(FOLDER / "gateway" / "gateway.yaml")}
    (backend,) = routes["GRPCRoute"]["rules"][0]["backendRefs"]
    (port,) = BASE["Service"]["spec"]["ports"]
    assert backend == {"name": BASE["Service"]["metadata"]["name"], "port": port["port"]}
    listener = routes["Gateway"]["listeners"][0]
    assert routes["GRPCRoute"]["hostnames"] == [listener["hostname"]]
