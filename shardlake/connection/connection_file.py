"""Reading connections.yaml: `slug/name` and what that connection is, with references in place of secrets."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from shardlake.connection.connection import KINDS, Connection
from shardlake.connection.secret import expand
from shardlake.errors import SpecError
from shardlake.spec_file import explain, read_yaml


def connection_names(path: Path) -> list[str]:
    """The connections that a file declares, in its order."""
    return list(_content(path))


def load_connection(path: Path, reference: str) -> Connection:
    """One connection of the file; only its own references are resolved. Raises SpecError."""
    content = _content(path)
    if reference not in content:
        raise SpecError(
            f"{path} has no connection {reference!r}; there are: {', '.join(content) or 'none'}", hint="Add it, or correct the view."
        )
    slug = reference.split("/", maxsplit=1)[0]
    if slug not in KINDS:
        raise SpecError(f"{path}: {reference}: there is no kind {slug!r}; there are: {', '.join(KINDS)}")
    try:
        return KINDS[slug].model_validate(expand(content[reference], f"{path}: {reference}"))
    except ValidationError as error:
        raise explain(error, f"{path}: {reference}") from None


def declared(path: Path, reference: str, key: str) -> Any:
    """One value of a connection as it stands in the file, with no reference resolved; None where it is not there."""
    return _content(path).get(reference, {}).get(key)


def _content(path: Path) -> dict[str, Any]:
    content = read_yaml(path)
    if not isinstance(content, dict) or not all(isinstance(item, dict) for item in content.values()):
        raise SpecError(f"{path}: connections are mappings under names like mysql-shards/shop")
    return {str(name): item for name, item in content.items()}
