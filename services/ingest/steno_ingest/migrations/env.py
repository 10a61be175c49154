"""Runs the migrations on the connection that `steno.storage.database.migrate` gives to Alembic."""

from alembic import context
from steno_ingest.calls.ledger import tables as call_tables  # noqa: F401 - declares its tables
from steno_ingest.recordings import tables as recording_tables  # noqa: F401 - declares its tables
from steno_ingest.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True)
context.run_migrations()
