"""The environment of each service that `steno up` runs, by its data folder."""

import os
from pathlib import Path

_LOCAL_PARTITIONS = "4"


def caller_secrets(data: Path) -> dict[str, Path]:
    """The files with what clients sign with, by the setting of ingest that names each."""
    return {"twilio_auth_tokens_file": data / "twilio-auth-tokens", "audiohook_keys_file": data / "audiohook-keys"}


def service_environment(
    name: str, data: Path, *, kafka: str, port: int, public_url: str, allow_loopback_webhooks: bool = False
) -> dict[str, str]:
    """The user's environment, with the suite's settings where the user has set none.

    Args:
        kafka: Bootstrap servers.
        port: Of its HTTP server.
        public_url: The URL of ingest.

    Raises:
        OSError: the secret key cannot be read.
    """
    prefix = f"STENO_{name.upper()}_"
    ours = {
        "STENO_TOPIC_PARTITIONS": _LOCAL_PARTITIONS,
        "STENO_OBJECTS_URL": (data / "objects").as_uri(),
        f"{prefix}HTTP_PORT": str(port),
    }
    if name == "ingest":
        ours |= {f"{prefix}{setting.upper()}": str(path) for setting, path in caller_secrets(data).items()}
    if name in ("ingest", "notifier"):
        ours |= {
            f"{prefix}DATABASE_URL": f"sqlite:///{data / name}.db",
            f"{prefix}API_KEYS_FILE": str(data / "api-keys"),
            f"{prefix}SECRET_KEY": (data / "secret-key").read_text("utf-8"),
        }
    if name == "notifier":
        ours[f"{prefix}PUBLIC_URL"] = public_url
        if allow_loopback_webhooks:
            ours[f"{prefix}ALLOWED_NETWORKS"] = "127.0.0.0/8"
    return {**ours, **os.environ, "KAFKA_BOOTSTRAP_SERVERS": kafka, "PYTHONUNBUFFERED": "1"}
