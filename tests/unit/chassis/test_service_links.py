"""What Kubernetes puts into containers for its Services is told from settings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steno.service_links import service_links

ADDRESSES = ("10.0.0.1", "fd00::1")


def injected(service: str, address: str, ports: dict[str, tuple[int, str]]) -> dict[str, str]:
    """All that a Service is known by in a container, as the kubelet writes it (`pkg/kubelet/envvars`)."""
    name = service.upper().replace("-", "_")
    (first, protocol), *_ = ports.values()
    host = f"[{address}]" if ":" in address else address
    found = {
        f"{name}_SERVICE_HOST": address,
        f"{name}_SERVICE_PORT": str(first),
        f"{name}_PORT": f"{protocol}://{host}:{first}",
    }
    for label, (number, protocol) in ports.items():
        of_port = f"{name}_PORT_{number}_{protocol.upper()}"
        found |= {
            f"{name}_SERVICE_PORT_{label.upper().replace('-', '_')}": str(number),
            of_port: f"{protocol}://{host}:{number}",
            f"{of_port}_PROTO": protocol,
            f"{of_port}_PORT": str(number),
            f"{of_port}_ADDR": address,
        }
    return found


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize(
    "service", ["steno", "steno-notifier", "steno-ingest-http", "steno-schema-registry", "steno-service", "steno-port"]
)
def test_every_shape_is_known_with_its_service(service: str, address: str) -> None:
    """However the Service is called, whatever it listens by."""
    environment = injected(service, address, {"http": (8080, "tcp"), "sip-media": (5060, "udp"), "s": (1, "sctp")})
    found = service_links(environment)
    assert found.keys() == environment.keys()
    assert service in found.values()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STENO_INGEST_HTTP_PORT", "8080"),
        ("STENO_INGEST_HTTP_PORT", "many"),
        ("STENO_NOTIFIER_PORT", "8080"),
        ("STENO_NOTIFIER_PORT", "http://10.0.0.1:8080"),
        ("STENO_NOTIFIER_SERVICE_HOST", "notifier"),
        ("STENO_NOTIFIER_SERVICE_PORT", "70000"),
        ("STENO_NOTIFIER_URL", "tcp://10.0.0.1:8080"),
        ("STENO_INGEST_ATEMPTS", "7"),
        ("KAFKA_PORT", "tcp://10.0.0.1:9092"),
    ],
)
def test_what_a_person_may_have_meant_is_none(name: str, value: str) -> None:
    """A name alone, or a value alone, hides no misspelt setting."""
    assert service_links({name: value}) == {}


@given(st.text(alphabet="STENO_PORTCVIHADU0189", max_size=40), st.text(max_size=40))
def test_any_environment_is_looked_through(name: str, value: str) -> None:
    """Whatever stands in it."""
    assert set(service_links({f"STENO_{name}": value})) <= {f"STENO_{name}"}
