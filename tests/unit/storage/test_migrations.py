"""The migrations of the services' databases."""

from importlib.util import find_spec
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory


@pytest.mark.parametrize("package", ["steno_ingest", "steno_notifier"])
def test_migrations_are_one_line(package: str) -> None:
    """Two that follow the same one leave a service that does not start."""
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    scripts = ScriptDirectory(str(Path(spec.origin).parent / "migrations"))
    assert len(scripts.get_heads()) == 1
    revisions = [script.revision for script in scripts.walk_revisions()]
    assert revisions == sorted(set(revisions), reverse=True)
    assert len(revisions) == len(list(Path(scripts.versions).glob("0*.py")))
