"""Reading connections.yaml: `slug/name` and what that connection is, with references in place of secrets; and where the ledger is."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from shardlake.connection.kinds import Connection, kind_of
from shardlake.connection.postgres import PostgresWarehouse
from shardlake.connection.secret import expand
from shardlake.errors import SpecError
from shardlake.settings import ledger_variable
from shardlake.spec_file import explain, read_yaml

LEDGER = "ledger"
"""The one key of the file that names no connection, but which of them holds the ledger."""


def connection_names(path: Path) -> list[str]:
    """The connections that a file declares, in its order."""
    return list(_connections(path))


def load_connection(path: Path, reference: str) -> Connection:
    """One connection of the file; only its own references are resolved. Raises SpecError."""
    content = _connections(path)
    if reference not in content:
        raise SpecError(
            f"{path} has no connection {reference!r}; there are: {', '.join(content) or 'none'}", hint="Add it, or correct the view."
        )
    try:
        kind = kind_of(reference)
    except SpecError as error:
        raise SpecError(f"{path}: {reference}: {error}") from None
    try:
        return kind.model_validate(expand(content[reference], f"{path}: {reference}"))
    except ValidationError as error:
        raise explain(error, f"{path}: {reference}") from None


def declared(path: Path, reference: str, key: str) -> Any:
    """One value of a connection as it stands in the file, with no reference resolved; None where it is not there."""
    return _connections(path).get(reference, {}).get(key)


def ledger_reference(path: Path | None) -> str | None:
    """The connection of the ledger: `ledger:` in the file, or else SHARDLAKE_LEDGER; None where it is in the warehouse's database.

    `path` is None where connections are Prefect's blocks. Raises SpecError for what is no Postgres database, or not declared.
    """
    content = _content(path) if path else {}
    given, where = (content[LEDGER], f"{path}: {LEDGER}") if LEDGER in content else (ledger_variable(), "SHARDLAKE_LEDGER")
    if given is None and LEDGER not in content:
        return None
    slug, example = PostgresWarehouse.slug, f"Write the name of one, as in {PostgresWarehouse.slug}/{LEDGER}."
    if not isinstance(given, str) or not given.startswith(f"{slug}/"):
        raise SpecError(f"{where}: the ledger is kept in a connection of the kind {slug}", hint=example)
    if path and given not in (known := [name for name in _connections(path) if name.startswith(f"{slug}/")]):
        raise SpecError(f"{where}: {path} has no connection {given!r}; there are: {', '.join(known) or 'none'}", hint=example)
    return given


def _connections(path: Path) -> dict[str, dict[str, Any]]:
    content = {name: item for name, item in _content(path).items() if name != LEDGER}
    if not all(isinstance(item, dict) for item in content.values()):
        raise SpecError(f"{path}: connections are mappings under names like mysql-shards/shop")
    return content


def _content(path: Path) -> dict[str, Any]:
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise SpecError(f"{path}: connections are mappings under names like mysql-shards/shop")
    return {str(name): item for name, item in content.items()}
