"""Whatever a manifest names is there: settings, secrets, ports, workloads, topics, groups, metrics."""

import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.generate import PARTITIONS, REPLICAS, manifests
from prometheus_client.metrics import MetricWrapperBase
from steno_enricher.settings import EnricherSettings
from steno_ingest.settings import IngestSettings
from steno_notifier.settings import NotifierSettings
from steno_transcriber.settings import TranscriberSettings
from support.kubernetes.kustomize import OVERLAYS, ROOT, matches, name_of, of_kind, template_of, workloads

from steno.events.access import access_of
from steno.events.catalogue import catalogue, groups
from steno.settings import KafkaSettings, ServiceSettings, TopicSettings, read, read_group

OVERLAY = pytest.mark.parametrize("overlay", OVERLAYS)
WITH_OPERATORS = pytest.mark.parametrize("overlay", [name for name in OVERLAYS if name != "small"])
SETTINGS: Mapping[str, type[ServiceSettings]] = {
    settings.service: settings for settings in (IngestSettings, TranscriberSettings, EnricherSettings, NotifierSettings)
}
#: A value of each secret file that is read at start.
FILES = {
    "secret-key": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    "uri": "postgresql://u:p@db/steno",
    "password": "p",
    "credentials": "AWS_ACCESS_KEY_ID=a",
}

Object = dict[str, Any]


def service_of(entry: Object) -> str:
    """The service whose image the pods of a workload run, by the name of the image."""
    image = template_of(entry)["spec"]["containers"][0]["image"]
    (found,) = [service for service in SETTINGS if f"steno-{service}" in image]
    return found


def environment_of(entry: Object, overlay: str) -> dict[str, str]:
    """The environment of the container `service`, as the kubelet would make it."""
    container = template_of(entry)["spec"]["containers"][0]
    config = {found["metadata"]["name"]: found.get("data", {}) for found in of_kind(overlay, "ConfigMap")}
    environment: dict[str, str] = {}
    for source in container["envFrom"]:
        environment |= config[source["configMapRef"]["name"]]
    for variable in container.get("env", ()):
        environment[variable["name"]] = (
            variable["value"] if "value" in variable else _from(variable["valueFrom"], entry, container)
        )
    return environment


def _from(source: Object, entry: Object, container: Object) -> str:
    if "fieldRef" in source:
        assert source == {"fieldRef": {"fieldPath": "metadata.name"}}
        return f"{entry['metadata']['name']}-0"
    part, name = source["resourceFieldRef"]["resource"].split(".")
    return str(container["resources"][part][name])


def walk(value: object) -> Iterator[Object]:
    """All objects within one."""
    if isinstance(value, dict):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from walk(part)


@OVERLAY
def test_every_service_starts_with_its_settings(overlay: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service itself takes its environment: no name that it does not know, no value that is not valid."""
    for entry in workloads(overlay):
        environment = environment_of(entry, overlay)
        with monkeypatch.context() as patched:
            for name, value in environment.items():
                place = tmp_path / value.removeprefix("/run/")
                if name.endswith("_FILE") and place.name in FILES:
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.write_text(FILES[place.name], "utf-8")
                    value = str(place)
                patched.setenv(name, value)
            if template_of(entry)["spec"]["containers"][0].get("command") == ["steno", "topics", "create"]:
                assert read_group(KafkaSettings).bootstrap_servers == "kafka:9092"
                assert read_group(TopicSettings).partitions == PARTITIONS
                continue
            settings = read(SETTINGS[service_of(entry)])
        assert settings.topics.partitions == PARTITIONS
        if isinstance(settings, TranscriberSettings):
            assert settings.decode_threads == settings.threads > 0, name_of(entry)
        if entry["kind"] != "Job":
            assert settings.instance == f"{entry['metadata']['name']}-0", name_of(entry)


@OVERLAY
def test_every_file_that_a_setting_names_is_mounted(overlay: str) -> None:
    """From a Secret, by the name of its key."""
    for entry in workloads(overlay):
        spec = template_of(entry)["spec"]
        mounts = {mount["mountPath"]: mount["name"] for mount in spec["containers"][0]["volumeMounts"]}
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        for name, value in environment_of(entry, overlay).items():
            if not value.startswith("/run/") or (
                name.startswith("STENO_") and f"STENO_{service_of(entry).upper()}_" not in name
            ):
                continue
            if entry["kind"] == "Job" and "_TLS_" in name:
                continue  # it serves nothing
            folder, _, key = value.rpartition("/")
            assert folder in mounts, f"{name_of(entry)}: {name} is in {folder}, where nothing is mounted"
            sources = [part for part in walk(volumes[mounts[folder]]) if "secretName" in part or "items" in part]
            assert sources, f"{name_of(entry)}: {folder} is no Secret"
            if all("items" in source for source in sources):
                assert key in {item["path"] for source in sources for item in source["items"]}, f"{name_of(entry)}: {value}"


@OVERLAY
def test_every_secret_is_made_by_somebody(overlay: str) -> None:
    """By an operator for an object that is here, or by a person, told of in the README."""
    readme = (ROOT / "deploy/kubernetes/README.md").read_text("utf-8")
    made = {
        *re.findall(r"(?m)^\| `([a-z-]+)` \|", readme),
        *(found["metadata"]["name"] for found in of_kind(overlay, "KafkaUser")),
        *(f"{found['metadata']['name']}-cluster-ca-cert" for found in of_kind(overlay, "Kafka")),
        *(f"{found['metadata']['name']}-app" for found in of_kind(overlay, "Cluster")),
        *(found["spec"]["secretName"] for found in of_kind(overlay, "Certificate")),
    }
    named = set()
    for entry in of_kind(
        overlay, "StatefulSet", "Deployment", "Job", "Ingress", "ServiceMonitor", "TriggerAuthentication", "Issuer"
    ):
        for part in walk(entry["spec"]):
            named |= {part["secretName"]} if "secretName" in part else set()
            named |= {part["secret"]["name"]} if "name" in part.get("secret", ()) else set()
            named |= {target["name"] for target in part.get("secretTargetRef", ())}
    assert named - made == set()
    config = {found["metadata"]["name"] for found in of_kind(overlay, "ConfigMap")}
    parts = [part for entry in of_kind(overlay, "StatefulSet", "Deployment", "Job") for part in walk(entry["spec"])]
    assert {part[key]["name"] for part in parts for key in ("configMap", "configMapRef") if key in part} <= config


@OVERLAY
def test_every_claim_is_there(overlay: str) -> None:
    """Or is an operator's to make, told of in the README."""
    claims = {found["metadata"]["name"] for found in of_kind(overlay, "PersistentVolumeClaim")}
    readme = set(re.findall(r"claim `([a-z-]+)`", (ROOT / "deploy/kubernetes/README.md").read_text("utf-8")))
    named = {
        volume["persistentVolumeClaim"]["claimName"]
        for entry in of_kind(overlay, "StatefulSet", "Deployment", "Job")
        for volume in template_of(entry)["spec"].get("volumes", ())
        if "persistentVolumeClaim" in volume
    }
    assert named - claims - readme == set()
    assert claims <= named


@OVERLAY
def test_selectors_ports_and_names_meet(overlay: str) -> None:
    """Services, budgets, monitors, proxies and scaling lead to what there is, each to one workload."""
    pods = {entry["metadata"]["name"]: template_of(entry) for entry in of_kind(overlay, "StatefulSet", "Deployment", "Job")}
    ports = {
        name: {port.get("name") for c in t["spec"]["containers"] for port in c.get("ports", ())} for name, t in pods.items()
    }

    def selected(selector: Object) -> list[str]:
        return [name for name, template in pods.items() if matches(selector, template["metadata"]["labels"])]

    services = {entry["metadata"]["name"]: entry for entry in of_kind(overlay, "Service")}
    for entry in services.values():
        (target,) = selected({"matchLabels": entry["spec"]["selector"]})
        for port in entry["spec"]["ports"]:
            assert port.get("targetPort", port["name"]) in ports[target], name_of(entry)
    for entry in of_kind(overlay, "StatefulSet", "Deployment"):
        assert selected(entry["spec"]["selector"]) == [entry["metadata"]["name"]]
        assert entry["spec"].get("serviceName", entry["metadata"]["name"]) in services
        assert "replicas" not in entry["spec"], "an applied manifest would undo what KEDA has set"
    budgets = [selected(entry["spec"]["selector"]) for entry in of_kind(overlay, "PodDisruptionBudget")]
    assert sorted(budgets) == sorted([entry["metadata"]["name"]] for entry in workloads(overlay) if entry["kind"] != "Job")
    for entry in of_kind(overlay, "ServiceMonitor"):
        monitored = {name for name, one in services.items() if matches(entry["spec"]["selector"], one["metadata"]["labels"])}
        assert monitored == {name for (name,) in budgets}
        for endpoint in entry["spec"]["endpoints"]:
            assert all(endpoint["port"] in {port["name"] for port in services[name]["spec"]["ports"]} for name in monitored)
    for entry in of_kind(overlay, "Ingress"):
        for backend in (part["service"] for part in walk(entry["spec"]) if "service" in part):
            assert backend["port"]["name"] in {port["name"] for port in services[backend["name"]]["spec"]["ports"]}
    kinds = {(entry["kind"], entry["metadata"]["name"]) for entry in workloads(overlay)}
    for entry in of_kind(overlay, "ScaledObject"):
        assert (entry["spec"]["scaleTargetRef"]["kind"], entry["spec"]["scaleTargetRef"]["name"]) in kinds


@WITH_OPERATORS
def test_topics_and_users_are_those_of_the_catalogue(overlay: str) -> None:
    """With the partitions that services expect; each service may do what the catalogue says, and create nothing."""
    assert {found["metadata"]["name"] for found in of_kind(overlay, "KafkaTopic")} == {f"steno.{name}" for name in catalogue()}
    assert {found["spec"]["partitions"] for found in of_kind(overlay, "KafkaTopic")} == {PARTITIONS}
    assert {found["spec"]["replicas"] for found in of_kind(overlay, "KafkaTopic")} == {REPLICAS}
    users = {found["metadata"]["name"]: found["spec"]["authorization"]["acls"] for found in of_kind(overlay, "KafkaUser")}
    for service in SETTINGS:
        given = {
            (acl["resource"]["type"], acl["resource"]["name"], tuple(acl["operations"])) for acl in users[f"steno-{service}"]
        }
        rules = access_of(service).rules("steno.")
        assert given == {(r.resource.lower(), r.name, tuple(o for o in r.operations if o != "Create")) for r in rules}
    for entry in workloads(overlay):
        assert environment_of(entry, overlay)["KAFKA_SASL_USERNAME"] == f"steno-{service_of(entry)}"


@WITH_OPERATORS
def test_scaling_asks_for_what_there_is(overlay: str) -> None:
    """Topics and groups that its user may describe, read by the service that it scales; metrics that services have."""
    users = {found["metadata"]["name"]: found["spec"]["authorization"]["acls"] for found in of_kind(overlay, "KafkaUser")}
    may = {acl["resource"]["name"] for acl in users["steno-keda"]}
    (listener,) = of_kind(overlay, "Kafka")[0]["spec"]["kafka"]["listeners"]
    for entry in of_kind(overlay, "ScaledObject"):
        for trigger in entry["spec"]["triggers"]:
            asked = trigger["metadata"]
            if trigger["type"] == "kafka":
                topic, group = asked["topic"].removeprefix("steno."), asked["consumerGroup"].removeprefix("steno.")
                assert {asked["topic"], asked["consumerGroup"]} <= may
                assert groups()[group] == entry["metadata"]["name"].split("-")[0]
                assert groups()[group] in catalogue()[topic].read_by
                assert asked["bootstrapServers"] == f"kafka-kafka-bootstrap:{listener['port']}"
                assert entry["spec"]["maxReplicaCount"] <= PARTITIONS
            elif trigger["type"] == "prometheus":
                assert set(re.findall(r"\bsteno_[a-z_]+\b", asked["query"])) <= metric_names(), asked["query"]
                assert set(re.findall(r'job="([^"]+)"', asked["query"])) <= {f"steno-{entry['metadata']['name']}"}


@WITH_OPERATORS
def test_alerts_and_dashboards_are_deployed(overlay: str) -> None:
    """All of them, and each dashboard where Grafana's sidecar looks."""
    (alerts,) = of_kind(overlay, "PrometheusRule")
    rules = yaml.safe_load((ROOT / "deploy/prometheus/rules.yml").read_text("utf-8"))
    assert alerts["spec"] == rules
    shown = [found for found in of_kind(overlay, "ConfigMap") if "grafana_dashboard" in found["metadata"].get("labels", {})]
    files = {path.name: path.read_text("utf-8") for path in (ROOT / "deploy/dashboards").glob("*.json")}
    assert {name: text for found in shown for name, text in found["data"].items()} == files


def metric_names() -> set[str]:
    """Every metric that a service declares."""
    modules = ["steno.kafka.metrics", "steno.http.metrics", *(f"steno_{service}.metrics" for service in SETTINGS)]
    declared = [
        metric for name in modules for metric in vars(import_module(name)).values() if isinstance(metric, MetricWrapperBase)
    ]
    families = [next(iter(metric.describe())) for metric in declared]
    return {family.name + ("_total" if family.type == "counter" else "") for family in families}


def test_what_is_made_from_the_code_is_up_to_date() -> None:
    """`make docs` would change nothing."""
    folder = ROOT / "deploy" / "kubernetes"
    assert [name for name, text in manifests().items() if (folder / name).read_text("utf-8") != text] == []


@WITH_OPERATORS
def test_what_the_site_says_is_carried_on(overlay: str) -> None:
    """Each value of `site.yaml` stands where it counts, and the file itself is not applied."""
    site = yaml.safe_load((ROOT / "deploy/kubernetes/overlays/large/site.yaml").read_text("utf-8"))["data"]
    assert "site" not in {found["metadata"]["name"] for found in of_kind(overlay, "ConfigMap")}
    ingest = next(entry for entry in workloads(overlay) if entry["metadata"]["name"] == "ingest")
    environment = environment_of(ingest, overlay)
    assert environment["STENO_OBJECTS_URL"] == site["objects"]
    assert environment["STENO_INGEST_TRUSTED_PROXIES"] == site["proxies"]
    assert environment["STENO_INGEST_TWILIO_PUBLIC_URL"] == f"wss://{site['host']}/v1/twilio"
    hosts = {rule["host"] for entry in of_kind(overlay, "Ingress") for rule in entry["spec"]["rules"]}
    assert hosts == {site["host"], site["events-host"]}
