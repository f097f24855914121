"""The story of files on S3: what AWS DMS drops for three shards, and what goes wrong with drops. SeaweedFS is the S3 server."""

import csv
import io
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

from demo.data import document, rows
from demo.servers import SHARDS, plain_url
from demo.story import BY_CITY, GROUPED, Story, console
from embedded.postgres import Postgres, obtain_wheel_postgres
from embedded.seaweedfs import SeaweedFS, obtain_seaweedfs

BUCKET = "landing"
_COLUMNS = ("id", "status", "amount", "customer_name", "city", "_shard", "source_file")


@dataclass
class FileServers:
    """A warehouse, and a bucket in which files are dropped."""

    warehouse: Postgres
    s3: SeaweedFS
    holds = "CSV files of 3 shards in a bucket with {} rows"

    def drop(self, name: str, content: str) -> None:
        """A file."""
        self.s3.client().put_object(Bucket=BUCKET, Key=name, Body=content.encode())

    def fill(self) -> int:
        """A full load of three shards, as DMS writes it; returns how many rows it has."""
        self.s3.create_bucket(BUCKET)
        count = 0
        for number, shard in enumerate(SHARDS):
            found = list(rows(number))
            half = len(found) // 2
            for part, some in enumerate((found[:half], found[half:]), 1):
                self.drop(f"{shard}/orders/LOAD{part:08X}.csv", csv_of(some))
            count += len(found)
        return count

    def write_project(self, folder: Path) -> dict[str, str]:
        """connections.yaml and the view; returns the secrets that the connections refer to."""
        shutil.copytree(Path(__file__).parent / "views_of_files", folder / "views")
        connections = {
            "s3-files/landing": {
                "url": f"s3://{BUCKET}", "endpoint": self.s3.endpoint, "region": "us-east-1",
                "access_key_id": "${DEMO_S3_KEY}", "secret_access_key": "${DEMO_S3_SECRET}",
            },
            "postgres-warehouse/main": {"url": plain_url(self.warehouse, "warehouse"), "password": "${DEMO_WAREHOUSE_PASSWORD}"},
            "athena-lake/main": {"url": str(folder / "lake")},
        }  # fmt: skip
        (folder / "connections.yaml").write_text(yaml.safe_dump(connections, sort_keys=False))
        return {
            "DEMO_WAREHOUSE_PASSWORD": unquote(urlsplit(self.warehouse.url()).password or ""),
            "DEMO_S3_KEY": self.s3.access_key_id, "DEMO_S3_SECRET": self.s3.secret_access_key,
        }  # fmt: skip


@contextmanager
def file_servers(folder: Path) -> Iterator[FileServers]:
    """Start a Postgres and an S3 server, both from wheels."""
    with ExitStack() as stack:
        warehouse = stack.enter_context(obtain_wheel_postgres(folder / "postgres"))
        warehouse.execute("CREATE DATABASE warehouse")
        yield FileServers(warehouse, stack.enter_context(obtain_seaweedfs(folder / "seaweedfs")))


def csv_of(found: Iterable[tuple[Any, ...]]) -> str:
    """Rows as DMS writes them: quotes where they are needed, NULL for none."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([["NULL" if cell is None else cell for cell in row] for row in found])
    return text.getvalue()


class FilesStory(Story):
    """The demo of `make demo SOURCE=files`."""

    to_try = ("run orders --shard shop_01 --json", "discover s3-files/landing '{shard}/orders/*.csv'")

    def __init__(self, servers: FileServers, folder: Path, environment: dict[str, str]) -> None:
        super().__init__(servers.warehouse, folder, environment)
        self.servers = servers

    def tell(self) -> None:
        """See Story."""
        self.step("1. What would be read", "plan", "orders")
        self.step("2. A full load: six CSV files of three shards, JSON taken apart, in one table", "run", "orders")
        self._changes()
        self.step("3. DMS has dropped changes and deletes: a second run reads these files alone", "run", "orders")
        self._trouble()
        self.step(
            "4. A file came late, one is cut off, one has other columns: shop_02 fails by name, the others go on", "run", "orders", expect=1
        )
        self.step("The rejects: each with its file, line and text", "rejects", "orders")
        self.servers.drop(
            f"{SHARDS[1]}/orders/20260201-100200000.csv", csv_of([("U", 5, "mended", "5.00", "2026-02-01 10:02:00", document(5))])
        )
        self.servers.drop(
            f"{SHARDS[2]}/orders/20260201-100300000.csv", csv_of([("U", 6, "mended", "6.00", "2026-02-01 10:03:00", document(6))])
        )
        self.step("5. Both are dropped again, whole: they are read again, and what was rejected is settled", "run", "orders")
        self.rows("Rows of analytics.orders, and the files they came from", _COLUMNS, (1, 2, 4, 5, 6, 5000000))
        console.print("order 2 was deleted; of order 4 the commit at 10:05 counts, though its file was seen first", style="dim")
        self.step("How fresh every shard is", "status")
        self.folders()
        self.step("The lake beside it", "query", f"{BY_CITY} {GROUPED}")

    def _changes(self) -> None:
        first = [("U", key, "refunded", "1.00", "2026-02-01 10:00:00", document(key)) for key in range(1, 301, 3)]
        first += [("I", 5_000_000, "new", "42.00", "2026-02-01 10:00:01", document(7, name="New customer 🎉"))]
        self.servers.drop(f"{SHARDS[0]}/orders/20260201-100000123.csv", csv_of(first))
        self.servers.drop(f"{SHARDS[1]}/orders/20260201-100000123.csv", csv_of([("D", 2, None, None, "2026-02-01 10:00:00", None)]))
        self.servers.drop(
            f"{SHARDS[0]}/orders/20260201-100500000.csv", csv_of([("U", 4, "newest", "4.00", "2026-02-01 10:05:00", document(4))])
        )

    def _trouble(self) -> None:
        late = csv_of([("U", 4, "late, and older", "4.00", "2026-02-01 10:01:00", document(4))])
        self.servers.drop(f"{SHARDS[0]}/orders/20260201-100100000.csv", late)
        cut = csv_of(
            [("U", 5, "whole", "5.00", "2026-02-01 10:02:00", document(5)), ("U", 8, "cut", "8.00", "2026-02-01 10:02:00", document(8))]
        )
        self.servers.drop(f"{SHARDS[1]}/orders/20260201-100200000.csv", cut[:-41])
        self.servers.drop(f"{SHARDS[2]}/orders/20260201-100300000.csv", "U,6,paid\n")
        time.sleep(1)  # LastModified has seconds
