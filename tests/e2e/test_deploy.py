"""The files of deploy/ fit what reads them: Kubernetes, KubeRay, systemd, and our own settings."""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft202012Validator, ValidationError

from orchestrator.settings import SETTINGS_VARIABLE, Settings, load_settings, refuse_unknown_variables
from tests.e2e.antroute import ROOT

DEPLOY = ROOT / "deploy"
PAGE = ROOT / "docs" / "deploy.md"
EXAMPLE = ROOT / "examples" / "antroute-production.yaml"
OLDEST, NEWEST = "1.30", "1.37"  # of Kubernetes
OWN_KINDS = {"ConfigMap", "Deployment", "HorizontalPodAutoscaler", "NetworkPolicy", "PodDisruptionBudget", "Service"}
PRE_STOP_SECONDS = 5

TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
GROUP = {"rayStartParams": TEXTS, "labels": TEXTS, "resources": TEXTS, "template": {"type": "object"}}
# Names and types of `ray.io/v1` as KubeRay's CRD has them at its commit 017710c, without those that we shall not use.
# Unknown names are refused here; the server of a cluster drops them in silence. A template is a pod's: see below.
RAY_CLUSTER: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "apiVersion": {"const": "ray.io/v1"},
        "kind": {"const": "RayCluster"},
        "metadata": {"type": "object"},
        "spec": {
            "type": "object",
            "additionalProperties": False,
            "required": ["headGroupSpec"],
            "properties": {
                "rayVersion": {"type": "string"},
                "suspend": {"type": "boolean"},
                "enableInTreeAutoscaling": {"type": "boolean"},
                "headServiceAnnotations": TEXTS,
                "upgradeStrategy": {"type": "object", "properties": {"type": {"enum": ["Recreate", "None"]}}},
                "headGroupSpec": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["template"],
                    "properties": {
                        **GROUP,
                        "enableIngress": {"type": "boolean"},
                        "serviceType": {"type": "string"},
                    },
                },
                "workerGroupSpecs": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "additionalProperties": False,
                        "required": ["groupName", "maxReplicas", "minReplicas", "template"],
                        "properties": {
                            **GROUP,
                            "groupName": {"type": "string"},
                            "replicas": {"type": "integer"},
                            "minReplicas": {"type": "integer"},
                            "maxReplicas": {"type": "integer"},
                            "numOfHosts": {"type": "integer"},
                            "idleTimeoutSeconds": {"type": "integer"},
                            "suspend": {"type": "boolean"},
                        },
                    },
                },
            },
        },
    },
}


def manifests(kind: str) -> list[Any]:
    paths = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
    found = [each for path in paths for each in yaml.safe_load_all(path.read_text())]
    return [each for each in found if each["kind"] == kind]


def ray_cluster() -> Any:
    (cluster,) = manifests("RayCluster")
    return cluster


def ray_templates() -> list[Any]:
    spec = ray_cluster()["spec"]
    return [group["template"] for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"])]


def pods() -> Iterator[Any]:
    """What each pod of the manifests is to be."""
    for template in [*(each["spec"]["template"] for each in manifests("Deployment")), *ray_templates()]:
        yield template["spec"]


def pod_template(template: Any) -> Mapping[str, Any]:
    """The template as an object that Kubernetes has a schema for."""
    return {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "ray"}, "template": template}


def settings_of(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    path = folder / "antroute.yaml"
    path.write_text(text)
    monkeypatch.setenv(SETTINGS_VARIABLE, str(path))
    return load_settings()


@pytest.fixture
def mapped_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    (config,) = manifests("ConfigMap")
    return settings_of(config["data"]["antroute.yaml"], tmp_path, monkeypatch)


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("kind", sorted(OWN_KINDS))
def test_each_manifest_fits_its_kind(kind: str, version: str) -> None:
    found = manifests(kind)
    assert found, f"no manifest is a {kind}"
    for manifest in found:
        assert kubernetes_validate.validate(manifest, version, strict=True) == version


def test_a_field_that_kubernetes_does_not_know_is_found() -> None:
    (deployment, *_) = manifests("Deployment")
    deployment["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="readynessProbe"):
        kubernetes_validate.validate(deployment, NEWEST, strict=True)


def test_the_ray_cluster_fits_kuberays_kind() -> None:
    Draft202012Validator(RAY_CLUSTER).validate(ray_cluster())


@pytest.mark.parametrize("template", ray_templates(), ids=["head", "workers"])
def test_each_pod_of_the_ray_cluster_fits_kubernetes(template: Any) -> None:
    kubernetes_validate.validate(pod_template(template), NEWEST, strict=True)


@pytest.mark.parametrize(("name", "value"), [("num-cpus", 2), ("block", True)])
def test_a_start_parameter_of_ray_that_is_no_text_is_found(name: str, value: object) -> None:
    cluster = ray_cluster()
    cluster["spec"]["headGroupSpec"]["rayStartParams"][name] = value
    with pytest.raises(ValidationError, match="is not of type 'string'"):
        Draft202012Validator(RAY_CLUSTER).validate(cluster)


def test_ray_is_the_one_that_is_installed() -> None:
    exact = re.search(r"^ray==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert exact is not None
    assert ray_cluster()["spec"]["rayVersion"] == exact[1]


def test_all_pods_run_one_image() -> None:
    assert len({container["image"] for pod in pods() for container in pod["containers"]}) == 1


def test_no_pod_is_told_of_services_by_variables_that_look_like_settings() -> None:
    assert [pod.get("enableServiceLinks") for pod in pods()] == [False] * 4


def test_the_settings_of_the_config_map_are_ours(mapped_settings: Settings) -> None:
    assert mapped_settings.server.host == "0.0.0.0"
    assert [each.candidate_id for each in mapped_settings.candidates] == ["single_turn/small", "single_turn/large"]


def test_the_variables_of_the_pods_are_settings() -> None:
    variables = [each for pod in pods() for container in pod["containers"] for each in container["env"]]
    refuse_unknown_variables({each["name"]: each.get("value", "") for each in variables})


def test_the_page_makes_a_secret_with_all_that_the_settings_want(mapped_settings: Settings) -> None:
    made = set(re.findall(r"--from-literal=(\w+)=", PAGE.read_text()))
    service = {"ANTROUTE_STORE_URL", "ANTROUTE_SERVER__SECRET", "ANTROUTE_SERVER__ADMIN_KEY", "RAY_AUTH_TOKEN"}
    assert made == service | {model.api_key_variable for model in mapped_settings.models.values()}


def test_pods_are_given_as_long_as_the_work_under_way_gets(mapped_settings: Settings) -> None:
    drain = PRE_STOP_SECONDS + mapped_settings.server.drain_seconds
    graces = {
        each["metadata"]["name"]: each["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        for each in manifests("Deployment")
    }
    assert graces["antroute"] > drain
    assert graces["antroute-jobs"] > drain + mapped_settings.ray.drain_seconds


def test_the_service_sends_requests_to_gateways_alone() -> None:
    (service,) = manifests("Service")
    wanted = service["spec"]["selector"].items()
    labels = {
        each["metadata"]["name"]: each["spec"]["template"]["metadata"]["labels"] for each in manifests("Deployment")
    }
    assert [name for name, found in labels.items() if wanted <= found.items()] == ["antroute"]


def test_the_example_for_production_loads_and_lets_nobody_in_without_a_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(EXAMPLE.read_text(), tmp_path, monkeypatch)
    assert settings.server.requires_key
    assert set(settings.workflows) == {"review"}


def test_systemd_waits_until_the_work_under_way_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unit = configparser.ConfigParser(interpolation=None)
    unit.read(DEPLOY / "systemd" / "antroute.service")
    settings = settings_of(EXAMPLE.read_text(), tmp_path, monkeypatch)
    assert unit.getint("Service", "TimeoutStopSec") > settings.server.drain_seconds


def test_the_units_environment_names_the_keys_of_the_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(EXAMPLE.read_text(), tmp_path, monkeypatch)
    lines = (DEPLOY / "systemd" / "antroute.env").read_text().splitlines()
    variables = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
    assert {model.api_key_variable for model in settings.models.values()} <= set(variables)
    refuse_unknown_variables(variables)
