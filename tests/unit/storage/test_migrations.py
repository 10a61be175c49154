"""The migrations of the services that keep rows."""

from importlib.resources import files
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from steno.storage import database
from steno.storage.transactions import transaction


@pytest.mark.parametrize("package", ["steno_ingest", "steno_notifier"])
def test_the_last_by_name_is_the_newest(package: str) -> None:
    """Each file's name begins with its revision: a service looks at names alone to see whether there is anything to do."""
    scripts = ScriptDirectory(str(files(package) / "migrations"))
    names = {script.revision: Path(script.path).name for script in scripts.walk_revisions()}
    assert all(name.startswith(f"{revision}_") for revision, name in names.items())
    head = scripts.get_current_head()
    assert head is not None
    assert names[head] == max(names.values())


async def test_what_is_behind_is_brought_up_to_date(tmp_path: Path) -> None:
    """One that lacks the last migration gets it, and one that lacks none stays as it is."""
    engine = database.connect(f"sqlite:///{tmp_path}/rows.db")

    async def revision() -> object:
        async with transaction(engine) as connection:
            return (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar_one()

    folder = str(files("steno_ingest") / "migrations")
    newest, before = [script.revision for script in ScriptDirectory(folder).walk_revisions()][:2]

    def upgrade(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", folder)
        config.attributes["connection"] = connection
        command.upgrade(config, before)

    async with engine.begin() as connection:
        await connection.run_sync(upgrade)
    assert await revision() == before
    for _ in range(2):
        await database.migrate(engine, "steno_ingest")
        assert await revision() == newest
    await engine.dispose()
