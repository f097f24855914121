"""Names in the warehouse, quoted: targets and staging tables."""

import hashlib
from uuid import UUID

from shardlake.ledger.migrate import STAGING
from shardlake.quoting import ansi
from shardlake.view.view import View


def target(view: View) -> str:
    """The view's table."""
    return f"{ansi(view.warehouse.schema_name)}.{ansi(view.warehouse.table_name)}"


def staging(ledger: UUID, window_id: int) -> str:
    """A window's staging table. Several ledgers may share a target's database, and number their windows alike."""
    return f"{STAGING}.w{ledger.hex[:8]}_{window_id}"


def index_name(table: str, columns: tuple[str, ...]) -> str:
    """An index's name: the same for the same columns, and never too long for Postgres."""
    full = "_".join((table, *columns))
    digest = hashlib.sha256("\0".join((table, *columns)).encode()).hexdigest()[:8]
    return f"{full.encode()[:48].decode(errors='ignore')}_{digest}"
