"""What DynamoDB says of a table: its key, and how much may be read of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shardlake import cancellation
from shardlake.errors import ContractError, SourceUnavailable, SpecError, WatermarkRefused
from shardlake.source.dynamodb.client import Client, Throttled
from shardlake.source.item.key import column_kind, require_comparable
from shardlake.view.dynamodb import DynamoTable

_TRIES = 5


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its key's attributes with their types (`S`, `N` or `B`), read units that are provisioned (None on demand), how many
    items there are about, the server's clock, and what tells the table from another of its name.
    """

    name: str
    key: tuple[tuple[str, str], ...]
    provisioned: int | None
    items: int
    time: datetime
    id: str

    def schema(self) -> dict[str, str]:
        """The columns of raw, and what each holds."""
        return {name: column_kind(kind) for name, kind in self.key} | {
            "_version": "instant",
            "_op": "text",
            "document": "json",
        }


def describe(client: Client, name: str) -> Table:
    """Look at a table. Raises ContractError where there is none, SourceUnavailable, SourceTimeout, AccessRefused."""
    for tried in range(_TRIES):
        try:
            answer = client.ask("DescribeTable", {"TableName": name}, name)
            break
        except Throttled:
            cancellation.pause(0.2 * 2**tried)
    else:
        raise SourceUnavailable(f"{name}: DynamoDB throttles even its description", hint="Run again later.")
    found: dict[str, Any] = answer.body["Table"]
    types = {a["AttributeName"]: a["AttributeType"] for a in found["AttributeDefinitions"]}
    key = tuple((k["AttributeName"], types[k["AttributeName"]]) for k in sorted(found["KeySchema"], key=lambda k: k["KeyType"] != "HASH"))
    on_demand = found.get("BillingModeSummary", {}).get("BillingMode") == "PAY_PER_REQUEST"
    units = None if on_demand else found.get("ProvisionedThroughput", {}).get("ReadCapacityUnits") or None
    return Table(name, key, units, int(found.get("ItemCount", 0)), answer.time, _id(found))


def _id(found: dict[str, Any]) -> str:
    """What tells a table from another; DynamoDB Local gives no TableId."""
    return str(found.get("TableId") or f"{found['TableArn']} {found['CreationDateTime']}")


def require_same(table: Table, id: str | None) -> None:
    """That a position is of this very table, where it says of which it is. Raises WatermarkRefused."""
    if id is not None and id != table.id:
        raise WatermarkRefused(
            f"{table.name}: it is another table than the one that was read last, which had the same name",
            hint="Check region and account; if it is meant, run with --full: what the new one does not hold leaves the targets.",
        )


def require_key(table: Table, source: DynamoTable) -> None:
    """That the view names the table's own key. Raises ContractError."""
    names = [name for name, _ in table.key]
    if sorted(source.primary_key) != sorted(names):
        odd = next((n for n in source.primary_key if n not in names), None)
        said = (
            f"{odd!r} is not one of its key's attributes"
            if odd
            else f"its key has {len(names)} attributes, the view names {len(source.primary_key)}"
        )
        raise ContractError(f"{table.name}: {said}", hint=f"Write `primary_key: [{', '.join(names)}]`.")
    require_comparable(table.name, dict(table.key), source)


def units_of_segment(table: Table, source: DynamoTable) -> float | None:
    """Read units a second that one segment may take, so that all together keep to what the view declares, whatever reads them where."""
    if source.capacity is not None and table.provisioned is None:
        raise SpecError(
            f"{table.name} is read on demand, and has no capacity of which {source.capacity} could be taken", hint="Give `read_units`."
        )
    whole = source.read_units if source.capacity is None else source.capacity * (table.provisioned or 0)
    return None if whole is None else whole / source.segments
