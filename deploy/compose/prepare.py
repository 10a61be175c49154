"""Makes the secrets and the bucket of the suite where there are none; what is there stays as it is.

Each consumer has a folder of its own, which only its user can read, so that a container sees no secret but its own.
"""

import base64
import os
import secrets
from pathlib import Path

SECRETS, OBJECTS = Path("/secrets"), Path("/objects")
STENO, POSTGRES, GRAFANA = 10001, 999, 472


def main() -> None:
    """Makes what is missing. The values that two consumers share are made of the first one's file."""
    SECRETS.chmod(0o700)
    password = secret("postgres/password", POSTGRES, secrets.token_hex(24))
    for service in ("ingest", "notifier"):
        secret(f"{service}/database-url", STENO, f"postgresql://steno:{password}@postgres/{service}")
    key = secret("ingest/secret-key", STENO, base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())
    secret("notifier/secret-key", STENO, key)
    name = secret("store/access-key", STENO, secrets.token_hex(10))
    value = secret("store/secret-key", STENO, secrets.token_hex(20))
    for service in ("ingest", "transcriber"):
        text = f"AWS_ACCESS_KEY_ID={name}\nAWS_SECRET_ACCESS_KEY={value}\n"
        secret(f"{service}/store-credentials", STENO, text)
    secret("grafana/admin-password", GRAFANA, secrets.token_hex(12))
    secret("keys/api-keys", STENO, "", mode=0o600)  # `steno keys` adds to it
    folder(OBJECTS, STENO)
    folder(OBJECTS / "steno", STENO)


def secret(name: str, user: int, value: str, *, mode: int = 0o400) -> str:
    """Returns the content of a secret's file; writes the value there first if there is no such file."""
    file = SECRETS / name
    folder(file.parent, user)
    if not file.exists():
        # Whole or not at all: half a secret would count as one from then on.
        part = file.with_name(f".{file.name}")
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as written:
            written.write(value)
        os.chown(part, user, user)
        part.rename(file)
    return file.read_text().rstrip("\n")


def folder(path: Path, user: int) -> None:
    """Makes a folder a user's own."""
    path.mkdir(exist_ok=True)
    if path.stat().st_uid != user:
        path.chmod(0o700)
        os.chown(path, user, user)


if __name__ == "__main__":
    main()
