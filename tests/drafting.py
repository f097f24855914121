"""Drafts of a world's tables, made by the engine in this process, and run for real."""

from __future__ import annotations

from dataclasses import dataclass

import yaml

from shardlake.connection.shards import Shards
from shardlake.run.discover import Draft, discover
from shardlake.run.sync import sync
from shardlake.source.door import open_source
from shardlake.source.sql.dialect import Dialect, Index, SourceColumn
from shardlake.source.sql.dialects import dialect
from tests.lake import EVERY_FORMAT, agrees
from tests.world import World


def draft(w: World, table: str) -> Draft:
    """What `shardlake discover` drafts of a table."""
    reference = next(iter(w.connections()))
    return discover(reference, open_source(w.connect(reference), reference), table, list(w.connections()))


def remarks(made: Draft) -> list[str]:
    """The remarks of a draft, but for its first, which says what it is."""
    return [line[2:] for line in made.text.splitlines() if line.startswith("# ")][1:]


def columns(made: Draft) -> dict[str, str]:
    """The columns of a draft and their types; one from elsewhere as `type < path`."""
    content = yaml.safe_load(made.text)["columns"]
    return {name: said if isinstance(said, str) else f"{said['type']} < {made.view.columns[name].path}" for name, said in content.items()}


def run_in_every_sink(w: World, made: Draft) -> None:
    """Run a draft as it is, with a layout of each format; they hold what the warehouse does."""
    w.view = yaml.safe_load(made.text) | {"lake": {"layouts": EVERY_FORMAT}}
    w.must_sync()
    assert (w.rejects(), w.lake_rejects()) == ([], [])
    agrees(w, {name: column.type for name, column in made.view.columns.items() if name != "id"})


def run(w: World, made: Draft, rejected: int = 0) -> None:
    """Run a draft as it is."""
    report = sync(made.view, w.connect)
    assert report.ok, report.headline()
    assert report.totals().rejected == rejected, w.rejects()


@dataclass(frozen=True)
class Catalogue:
    """What a shard says of a table."""

    columns: dict[str, SourceColumn]
    primary_key: list[str]
    indexes: list[Index]


def catalogue(w: World, table: str, shard: str = "shop_00") -> Catalogue:
    """The catalogue of a shard as the engine reads it."""
    spec = w.connect(next(iter(w.connections())))
    assert isinstance(spec, Shards)
    address = next(s for s in spec.resolve() if s.name == shard)
    speaker: Dialect = dialect(address.dialect)
    with speaker.connect(address) as connection:
        found = {c.name: c for c in speaker.columns(connection, speaker.quote(table))}
        return Catalogue(found, speaker.primary_key(connection, table), speaker.indexes(connection, table))
