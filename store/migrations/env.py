"""What alembic runs: our tables on the connection that `store/migrate.py` opened. Full-text tables are written by hand."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy.types import TypeEngine

from store.tables import Instant, metadata


def _ours(name: str | None, kind: str, parents: Any) -> bool:
    # FTS5 tables and their shadows are none of the metadata: autogenerate would drop them
    return not (kind == "table" and (name or "").startswith("search_fts"))


def _render(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:
    # revisions must stay importable whatever becomes of our types
    if kind == "type" and isinstance(item, TypeEngine | Instant) and isinstance(item, Instant):
        return "sa.BigInteger()"
    return False


connection = context.config.attributes["connection"]
if connection.dialect.name == "postgresql":
    # here and not in store/tables.py, since PostgreSQL's words load its dialect, which processes on SQLite can do without
    for index in (index for table in metadata.tables.values() for index in table.indexes):
        if (part := index.dialect_kwargs.get("sqlite_where")) is not None:
            index.dialect_kwargs["postgresql_where"] = part
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    include_name=_ours,
    render_item=_render,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
