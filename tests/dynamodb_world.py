"""A world whose views read DynamoDB Local: tables of a test's own, and items as DynamoDB spells them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from embedded.dynamodb_local import DynamoDB
from shardlake import kinds
from shardlake.connection.kinds import Connection
from tests.world import World

CANARY, TOKEN = "k9canary/+secret", "k9token/of+session"
PLATFORM_VIEW: dict[str, Any] = {
    "name": "finances",
    "owner": "tests@example.com",
    "source": {
        "connection": "dynamodb/platform", "table": "platform", "segments": 2, "item": "sk begins_with 'FIN#'",
        "primary_key": ["pk", "sk"], "deletes": "absent",
    },
    "columns": {
        "pk": "text",
        "sk": "text",
        "status": "text",
        "amount": "numeric(12,2)",
        "customer_name": {"type": "text", "from": "customer.name"},
    },
    "warehouse": {"connection": "postgres-warehouse/main", "table": "analytics.finances"},
}  # fmt: skip


ROW = ("paid", "1.50", "Ünal")
"""What the view shows of `fin` behind its key."""
BIG = {"padding": {"S": "x" * 300_000}}
"""An attribute that makes four items a page."""


def view(**changes: Any) -> dict[str, Any]:
    """The view with some parts changed; `source`, `columns` and `warehouse` are merged into, and a None takes a key away."""
    found = json.loads(json.dumps(PLATFORM_VIEW))
    for key, value in changes.items():
        found[key] = {k: v for k, v in {**found[key], **value}.items() if v is not None} if key in ("source", "warehouse") else value
    return found  # type: ignore[no-any-return]


def fin(pk: str, n: int, **attributes: Any) -> dict[str, Any]:
    """An item of the view's."""
    own = {"status": {"S": "paid"}, "amount": {"N": "1.5"}, "customer": {"M": {"name": {"S": "Ünal"}}}}
    return {"pk": {"S": pk}, "sk": {"S": f"FIN#{n}"}, **own, **attributes}


@dataclass
class Tables(World):
    """A world with a DynamoDB Local. A table's name in a view is one of this test alone at the server."""

    dynamodb: DynamoDB | None = None
    endpoint: str = ""

    @property
    def server(self) -> DynamoDB:
        assert self.dynamodb is not None
        return self.dynamodb

    def __post_init__(self) -> None:
        super().__post_init__()
        self.view = json.loads(json.dumps(self.view))
        self.view["source"]["table"] = self.name(self.view["source"]["table"])

    def name(self, table: str) -> str:
        return f"{self.prefix}{table}"

    def connections(self) -> dict[str, dict[str, Any]]:
        """See World."""
        platform = {
            "region": "eu-west-1", "endpoint": self.endpoint or self.server.url, "access_key_id": "test", "secret_access_key": CANARY,
            "connect_timeout": "2s", "answer_timeout": "5s", **self.connection_changes,
        }  # fmt: skip
        found = {k: v for k, v in super().connections().items() if not k.startswith("postgres-shards/")}
        return found | {"dynamodb/platform": platform}

    def connect(self, reference: str) -> Connection:
        """See World."""
        spec = kinds.KINDS[reference.partition("/")[0]].connection_spec()
        found: Connection = spec.model_validate(self.connections()[reference])
        return found

    def create(self, table: str = "platform", key: dict[str, str] | None = None, units: int | None = None) -> None:
        """A table; `key` are its attributes with their types."""
        key = key or {"pk": "S", "sk": "S"}
        billing = (
            {"ProvisionedThroughput": {"ReadCapacityUnits": units, "WriteCapacityUnits": 1}}
            if units
            else {"BillingMode": "PAY_PER_REQUEST"}
        )
        self.server.call(
            "CreateTable",
            {
                "TableName": self.name(table),
                "AttributeDefinitions": [{"AttributeName": n, "AttributeType": t} for n, t in key.items()],
                "KeySchema": [{"AttributeName": n, "KeyType": kind} for n, kind in zip(key, ("HASH", "RANGE"), strict=False)],
                **billing,
            },
        )

    def put(self, *items: dict[str, Any], table: str = "platform") -> None:
        """Write items, 25 a request."""
        for n in range(0, len(items), 25):
            self.server.call(
                "BatchWriteItem", {"RequestItems": {self.name(table): [{"PutRequest": {"Item": i}} for i in items[n : n + 25]]}}
            )

    def delete(self, pk: str, sk: str, table: str = "platform") -> None:
        self.server.call("DeleteItem", {"TableName": self.name(table), "Key": {"pk": {"S": pk}, "sk": {"S": sk}}})

    def counts(self, sink: str = "warehouse") -> tuple[Any, ...]:
        """Of all windows of the view together: raw rows, shaped, rejected in shape, others, merged, unchanged, superseded, removed."""
        return self.warehouse(
            "SELECT sum(raw_rows)::int, sum(shaped)::int, sum(shape_rejected)::int, sum(others)::int, sum(merged)::int, sum(unchanged)::int,"
            " sum(superseded)::int, sum(removed)::int FROM shardlake.sink_windows WHERE view = %s AND sink = %s", self.view["name"], sink
        )[0]  # fmt: skip

    def rows(self) -> list[tuple[Any, ...]]:
        """The target, by key."""
        return self.target("pk, sk, status, amount::text, customer_name", "1, 2")


TablesMaker = Callable[..., Tables]
