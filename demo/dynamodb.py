"""The story of a table of DynamoDB: one scan for three views, deletes, keys that end in the midst. DynamoDB Local, Amazon's emulator, is the server."""

import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import boto3
import yaml

from demo.items import CUSTOMERS, ORDERS, Item, customer, invoice, items, key, order
from demo.servers import plain_url
from demo.story import BY_CITY, GROUPED, Story, console
from embedded.dynamodb_local import DynamoDB, obtain_dynamodb
from embedded.dynamodb_proxy import Answer, Proxy, proxied, refusal
from embedded.postgres import Postgres, obtain_wheel_postgres

TABLE, REGION, ENDS_ON = "platform", "eu-west-1", 2
"""The table, its region, and the segment at which the keys end."""
_SORTS = {"customers": "PROFILE", "orders": "ORDER", "invoices": "INVOICE"}
"""What the sort keys of a view's items begin with."""
_ACCOUNTS = """
    SELECT view, sum(raw_rows)::int, sum(merged + unchanged + superseded)::int, sum(shape_rejected + rejected)::int, sum(others)::int
    FROM shardlake.sink_windows WHERE sink = 'warehouse' GROUP BY view ORDER BY view"""


@dataclass
class ItemServers:
    """A warehouse, and a DynamoDB with one table. Views ask it by way of a proxy, which counts and may refuse."""

    warehouse: Postgres
    dynamodb: DynamoDB
    proxy: Proxy
    table: Any = field(init=False)
    holds = "a table of DynamoDB Local, Amazon's emulator, with {} items"

    def __post_init__(self) -> None:
        keys = {"aws_access_key_id": "demo", "aws_secret_access_key": "demo"}  # DynamoDB Local takes any
        self.table = boto3.resource("dynamodb", endpoint_url=self.dynamodb.url, region_name=REGION, **keys).Table(TABLE)

    def fill(self) -> int:
        """Create the table with its items; returns how many."""
        self.table.meta.client.create_table(
            TableName=TABLE, BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        )  # fmt: skip
        return self.put(items())

    def put(self, found: Iterable[Item]) -> int:
        """Write items; returns how many."""
        written = list(found)
        with self.table.batch_writer() as batch:
            for item in written:
                batch.put_item(Item=item)
        return len(written)

    def delete(self, found: Iterable[Item]) -> None:
        """Delete items."""
        with self.table.batch_writer() as batch:
            for item in found:
                batch.delete_item(Key={name: item[name] for name in ("pk", "sk")})

    def count(self) -> Counter[str]:
        """How many items there are of each kind, by what their sort keys begin with."""
        pages = self.table.meta.client.get_paginator("scan").paginate(TableName=TABLE, ProjectionExpression="sk")
        return Counter(item["sk"].partition("#")[0] for page in pages for item in page["Items"])

    def write_project(self, folder: Path) -> dict[str, str]:
        """connections.yaml and the views; returns the secrets that the connections refer to."""
        shutil.copytree(Path(__file__).parent / "views_of_items", folder / "views")
        connections = {
            f"dynamodb/{TABLE}": {"region": REGION, "endpoint": self.proxy.url, "access_key_id": "${DEMO_KEY}", "secret_access_key": "${DEMO_SECRET}"},
            "postgres-warehouse/main": {"url": plain_url(self.warehouse, "warehouse"), "password": "${DEMO_WAREHOUSE_PASSWORD}"},
            "athena-lake/main": {"url": str(folder / "lake")},
        }  # fmt: skip
        (folder / "connections.yaml").write_text(yaml.safe_dump(connections, sort_keys=False))
        password = unquote(urlsplit(self.warehouse.url()).password or "")
        return {"DEMO_WAREHOUSE_PASSWORD": password, "DEMO_KEY": "demo", "DEMO_SECRET": "demo"}


@contextmanager
def item_servers(folder: Path) -> Iterator[ItemServers]:
    """Start a Postgres from a wheel, and DynamoDB Local, which wants Java and npm."""
    with ExitStack() as stack:
        dynamodb = stack.enter_context(obtain_dynamodb(folder))
        warehouse = stack.enter_context(obtain_wheel_postgres(folder / "postgres"))
        warehouse.execute("CREATE DATABASE warehouse")
        yield ItemServers(warehouse, dynamodb, stack.enter_context(proxied(dynamodb)))


class ItemsStory(Story):
    """The demo of `make demo SOURCE=dynamodb`."""

    to_try = ("run orders --shard 1-of-4 --json", "discover dynamodb/platform platform")

    def __init__(self, servers: ItemServers, folder: Path, environment: dict[str, str]) -> None:
        super().__init__(servers.warehouse, folder, environment)
        self.servers = servers

    def tell(self) -> None:
        """See Story."""
        self.step("1. What would be read", "plan", "orders")
        self.step("2. One table, three kinds of items: one scan feeds all three views", "run", *_SORTS)
        self._pages("the first view had them scanned; what is of no view there is of those that had not run yet")
        self._change()
        self.step("3. Orders have changed, and a customer was deleted with all orders", "run", *_SORTS)
        self._pages("what is of no view now are sessions, and each run says so")
        self.step("The rejects: what does not fit is never rounded or cut", "rejects", "orders")
        self.step("An invoice has a total of 38 digits", "rejects", "invoices")
        corrected = [order(3, 0, amount=12), order(3, 1, amount=20), order(8, 0, status="late change")]
        self.servers.put(corrected)
        with self._keys_that_end():
            self.step(f"4. Keys end in the midst: segment {ENDS_ON} fails by name, the others go on", "run", "orders", expect=1)
        self.step("5. The keys hold again: the next run takes what is missing", "run", *_SORTS)
        self._pages("two orders were corrected at DynamoDB: they are in, and settled")
        view = self.folder / "views" / "invoices" / "view.yaml"
        view.write_text(view.read_text().replace("total: numeric(12,2)", "total: numeric"))
        self.step("6. The view is mended, `total: numeric`, and raw applied again", "replay", "invoices")
        self._pages("a replay reads no source")
        self._rows("Orders in the warehouse", ("sk", "status", "amount", "city"), "orders", [order(0, 0), order(0, 1), *corrected])
        self._rows("Invoices", ("sk", "total", "vat_id"), "invoices", [invoice(5, 0), invoice(5, 2)])
        self.step("How fresh every segment is", "status")
        self._accounts()
        self.step("The lake beside it", "query", f"{BY_CITY} {GROUPED}")

    def _change(self) -> None:
        self.servers.put(order(n, 1, status="refunded") for n in range(50))
        self.servers.put([customer(CUSTOMERS), order(CUSTOMERS, 0, status="new")])
        orders = [order(9, k) for k in range(ORDERS)]
        self.servers.delete([key(9, "PROFILE"), *orders, invoice(9, 0), invoice(9, 2)])

    @contextmanager
    def _keys_that_end(self) -> Iterator[None]:
        """Within, a segment is refused as by keys of a role that have ended."""

        def faults(operation: str, body: dict[str, Any]) -> Answer:
            return refusal("ExpiredTokenException") if operation == "Scan" and body["Segment"] == ENDS_ON else None

        self.servers.proxy.faults = faults
        try:
            yield
        finally:
            self.servers.proxy.faults = lambda _, __: None

    def _pages(self, why: str) -> None:
        """How often the table was asked for items since this was asked last."""
        pages = len(self.servers.proxy.scans())
        self.servers.proxy.asked.clear()
        console.print(f"DynamoDB was asked for {pages} pages of items: {why}", style="dim", soft_wrap=True)

    def _rows(self, title: str, columns: tuple[str, ...], view: str, wanted: Iterable[Item]) -> None:
        """Some rows of the warehouse."""
        keys = ", ".join(f"('{item['pk']}', '{item['sk']}')" for item in wanted)
        found = self.ask(f"SELECT {', '.join(columns)} FROM analytics.{view} WHERE (pk, sk) IN ({keys}) ORDER BY pk, sk")
        self.show(title, columns, found)

    def _accounts(self) -> None:
        """Of every view what the ledger has counted, its rows, and the items of its kind that DynamoDB holds; the two must be as many."""
        held = self.servers.count()
        lines = []
        for view, read, *kinds in self.ask(_ACCOUNTS):
            [(rows,)] = self.ask(f"SELECT count(*) FROM analytics.{view}")
            self.surprises += read != sum(kinds) or rows != held[_SORTS[view]]
            lines.append((view, *(f"{count:,}" for count in (read, *kinds, rows, held[_SORTS[view]]))))
        names = ("view", "scanned", "= taken", "+ rejected", "+ others'", "rows now", "items now")
        self.show("The accounts: each item that was scanned, and each that was gone", names, lines)
