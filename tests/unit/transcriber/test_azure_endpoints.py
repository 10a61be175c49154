"""How endpoints of Azure are written."""

import pytest
from steno_transcriber.azure.endpoints import parse_endpoint
from steno_transcriber.settings import TranscriberSettings

from steno.settings import SettingsError, masked, read


def test_a_region_has_the_host_of_azure() -> None:
    """The name of the region is all that is needed."""
    endpoint = parse_endpoint("westeurope")
    assert (endpoint.region, endpoint.url) == ("westeurope", "https://westeurope.api.cognitive.microsoft.com")


def test_a_url_is_taken_as_it_is() -> None:
    """A custom domain, or a container in the house."""
    endpoint = parse_endpoint("http://speech.example:5000/")
    assert (endpoint.region, endpoint.url, endpoint.host) == ("", "http://speech.example:5000", "speech.example:5000")


def test_endpoints_are_written_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order in which they are tried."""
    monkeypatch.setenv("STENO_TRANSCRIBER_AZURE_ENDPOINTS", "westeurope, https://contoso.example")
    settings = read(TranscriberSettings)
    assert [endpoint.name for endpoint in settings.azure.endpoints] == ["westeurope", "https://contoso.example"]
    assert masked(settings)["azure"]["endpoints"] == ["westeurope", "https://contoso.example"]


@pytest.mark.parametrize(
    "value", ["West Europe", "ftp://host", "https://", "https://a:b@host", "https://host?x", "https://host:x", "west,west"]
)
def test_what_is_no_endpoint_is_named(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """The message has the variable in it."""
    monkeypatch.setenv("STENO_TRANSCRIBER_AZURE_ENDPOINTS", value)
    with pytest.raises(SettingsError, match="STENO_TRANSCRIBER_AZURE_ENDPOINTS"):
        read(TranscriberSettings)
