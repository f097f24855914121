"""DynamoDB as a source: a partition is a segment of a table, a position a key of a scan, a window a stretch of its pages."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import cast

from shardlake.connection.dynamodb import DynamoDB
from shardlake.connection.kinds import Connection, expect
from shardlake.envelope import Envelope
from shardlake.ledger.extent import Extent, Json, Reading
from shardlake.raw.files import RawTarget
from shardlake.source.door import Described, Explanation, Plan, Sample
from shardlake.source.dynamodb import sample
from shardlake.source.dynamodb.client import Client
from shardlake.source.dynamodb.position import Position, position_of, version_at
from shardlake.source.dynamodb.scan import envelope_of, read_window
from shardlake.source.dynamodb.table import Table, describe, require_key, require_same, units_of_segment
from shardlake.source.turns import Turns
from shardlake.view.dynamodb import DynamoTable
from shardlake.view.view import View


class DynamoSource:
    """The tables of one connection."""

    timezone = "UTC"

    def __init__(self, spec: DynamoDB, reference: str) -> None:
        self.spec, self.reference, self.max_connections = spec, reference, spec.max_connections
        self._client = Client(spec, reference)
        self._turns = Turns(reference, spec.max_connections)

    @classmethod
    def open(cls, connection: Connection, reference: str) -> "DynamoSource":
        """The source. Nothing is asked of it yet. Raises SpecError."""
        return cls(expect(connection, DynamoDB, reference), reference)

    def feed(self, view: View) -> str:
        """See Source: the table's, which all its views share. A view that replaces its target scans for itself, and so do views that
        tell deletes apart from those that do not.
        """
        source = _table(view)
        if view.warehouse.write == "replace":
            return view.name
        name = f"{self.reference}/{source.table}"
        safe = re.sub(r"[^a-z0-9_]", "_", name.replace("/", "__"))
        odd = f"_{hashlib.sha256(name.encode()).hexdigest()[:8]}" if re.search(r"[^a-z0-9_/]|__|_/|/_|_$", name) else ""
        return f"{safe}{odd}{'__absent' if source.deletes else ''}"

    def partitions(self, view: View) -> Sequence[str]:
        """See Source: the table's segments."""
        many = _table(view).segments
        return [f"{n:0{len(str(many - 1))}d}-of-{many}" for n in range(many)]

    def envelope(self, view: View, schema: Mapping[str, str]) -> Envelope:
        """See Source."""
        return envelope_of(view.source.primary_key)

    def plan(self, view: View, partition: str, position: Json | None) -> Plan:
        """See Source: on from where the scan was left, or a new scan where the last one is whole."""
        with self._turns.turn():
            return self._plan(view, partition, position)[0]

    def _plan(self, view: View, partition: str, position: Json | None) -> tuple[Plan, Table]:
        source, here = _table(view), position_of(position)
        table = describe(self._client, str(source.table))
        require_key(table, source)
        require_same(table, here.table if here else None)
        if here is None or here.whole:
            scan, began, anew = version_at(datetime.now(UTC), here.scan if here else None), table.time.isoformat(), True
        else:
            scan, began, anew = here.scan, here.began, False
        plan: Json = {
            "table": table.name, "id": table.id, "began": began, "segment": int(partition.split("-", maxsplit=1)[0]), "segments": source.segments, "scan": scan,
            "after": here.after if here else None, "key": [list(k) for k in table.key], "kinds": table.schema(),
            "consistent": source.consistent, "units": units_of_segment(table, source), "deletes": source.deletes is not None,
        }  # fmt: skip
        end, complete = Position(scan, began, table=table.id).json(), datetime.fromisoformat(began)
        extent = Extent(plan, position, end, "instant", None, scan, snapshot=True, complete_to=complete, shown=scan)
        return Plan(partition, extent, table.schema(), anything=True, rescan=anew), table

    def again(self, view: View, partition: str, extent: Extent) -> Plan:
        """See Rereads."""
        return Plan(partition, replace(extent, plan={**extent.plan, "again": True}), extent.plan["kinds"], anything=True)

    def explain(self, view: View, partition: str, position: Json | None) -> Explanation:
        """See Explains."""
        with self._turns.turn():
            plan, table = self._plan(view, partition, position)
        source, wanted = _table(view), plan.extent.plan
        columns = tuple(Described(name, kind, dict(table.key).get(name, kind), "text") for name, kind in plan.schema.items())
        pace = f", {wanted['units']:g} read units a second" if wanted["units"] else ""
        statement = (
            f"Scan {table.name}, segment {wanted['segment']} of {wanted['segments']}{', consistent' if source.consistent else ''}{pace}"
        )
        notes = plan.notes + ((f"items: {source.item}",) if source.item else ())
        return Explanation(plan, columns, "scan", statement, table_rows=table.items, notes=notes)

    def read(
        self, view: View, partition: str, extent: Extent, raw: RawTarget, *, as_null: tuple[str, ...] = (), smaller: int = 1
    ) -> Reading:
        """See Source."""
        source = _table(view)
        with self._turns.turn():
            return read_window(
                self._client, self.feed(view), partition, extent, raw, window=source.window, deadline=source.deadline, smaller=smaller
            )

    def samples(self, table: str) -> list[Sample]:
        """See SamplesKinds."""
        return sample.samples(self._client, self.reference, table)

    def sample_of(self, view: View) -> Sample:
        """See SamplesView: items of every part of the table that the view's `item` takes."""
        with self._turns.turn():
            return sample.sample_of(self._client, self.reference, _table(view))


def _table(view: View) -> DynamoTable:
    return cast("DynamoTable", view.source)
