"""Exports of a table of DynamoDB to S3, written as AWS documents them: full ones, and incremental ones that share a folder of data."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.landing import Landing

Item = dict[str, Any]
Put = Callable[[str, bytes], object]
"""What writes a file: its name and its bytes."""
DAY = datetime(2026, 11, 28, tzinfo=UTC)
EXPORT: dict[str, Any] = {
    "name": "finances",
    "owner": "tests@example.com",
    "source": {
        "connection": "s3-files/landing", "files": "AWSDynamoDB/*/manifest-summary.json", "format": "dynamodb-export",
        "primary_key": ["pk", "sk"], "settle": "0s",
    },
    "columns": {
        "pk": "text",
        "sk": "text",
        "status": "text",
        "amount": "numeric",
        "customer_name": {"type": "text", "from": "customer.name"},
    },
    "warehouse": {"connection": "postgres-warehouse/main", "table": "analytics.finances"},
}  # fmt: skip


def export_view(**changes: Any) -> dict[str, Any]:
    """The view with some parts changed; `source` is merged into, and a None takes a key away."""
    found = json.loads(json.dumps(EXPORT)) | changes
    found["source"] = {k: v for k, v in {**EXPORT["source"], **changes.get("source", {})}.items() if v is not None}
    return found  # type: ignore[no-any-return]


def fin(pk: str, n: int = 1, status: str = "paid", **more: Any) -> Item:
    """An item of the view's."""
    own = {"status": {"S": status}, "amount": {"N": "1.5"}, "customer": {"M": {"name": {"S": "Ünal"}}}}
    return {"pk": {"S": pk}, "sk": {"S": f"FIN#{n}"}, **own, **more}


def micros(minutes: float) -> int:
    """Microseconds since 1970 of a time some minutes into the day."""
    return (DAY + timedelta(minutes=minutes) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def written(minutes: float) -> str:
    """The same as manifests write it."""
    return (DAY + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


@dataclass
class Export:
    """An export, as it is to be written: lines by file, and what its manifests say, which a test may make wrong."""

    id: str
    files: list[list[Any]]
    said: dict[str, Any]
    folder: str = "AWSDynamoDB"
    prefix: str = ""
    """What stands before the keys in its manifests."""
    damage: Callable[[str, bytes], bytes] = lambda _, data: data
    lines: Callable[[list[dict[str, Any]]], list[dict[str, Any]]] = lambda lines: lines
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def incremental(self) -> bool:
        return "exportType" in self.said

    def data(self, n: int) -> str:
        """The name of a data file, in the folder of exports."""
        return f"data/{self.id}-{n:04}.json.gz" if self.incremental else f"{self.id}/data/{n:04}.json.gz"

    def write(self, put: Put, *, summary: bool = True) -> Export:
        """All its files, the summary last, as AWS does."""
        listed = []
        for n, lines in enumerate(self.files):
            text = "".join((line if isinstance(line, str) else json.dumps(line, ensure_ascii=False)) + "\n" for line in lines)
            packed = gzip.compress(text.encode("utf-8", "surrogateescape"), mtime=0)
            md5 = hashlib.md5(packed, usedforsecurity=False)
            put(f"{self.folder}/{self.data(n)}", self.damage(self.data(n), packed))
            listed.append({
                "itemCount": len(lines), "md5Checksum": base64.b64encode(md5.digest()).decode(), "etag": f"{md5.hexdigest()}-1",
                "dataFileS3Key": f"{self.prefix}AWSDynamoDB/{self.data(n)}",
            })  # fmt: skip
        put(f"{self.folder}/{self.id}/_started", b"")
        put(f"{self.folder}/{self.id}/manifest-files.json", "".join(json.dumps(line) + "\n" for line in self.lines(listed)).encode())
        if summary:
            self.put_summary(put)
        return self

    def put_summary(self, put: Put) -> None:
        """The summary alone."""
        key = f"{self.prefix}AWSDynamoDB/{self.id}"
        said = {
            "version": "2023-08-01", "exportArn": f"arn:aws:dynamodb:eu-west-1:123456789012:table/platform/export/{self.id}",
            "startTime": "2026-11-28T00:00:00.000Z", "endTime": "2026-11-28T00:10:00.000Z", "tableId": "b116b490-6460-4d4a-9a6b-5d360abf4fb3",
            "tableArn": "arn:aws:dynamodb:eu-west-1:123456789012:table/platform", "s3Bucket": "theirs", "s3Prefix": self.prefix.strip("/") or None,
            "s3SseAlgorithm": "AES256", "s3SseKmsKeyId": None, "manifestFilesS3Key": f"{key}/manifest-files.json",
            "billedSizeBytes": 0, "itemCount": sum(map(len, self.files)), "outputFormat": "DYNAMODB_JSON", **self.said, **self.extra,
        }  # fmt: skip
        put(f"{self.folder}/{self.id}/manifest-summary.json", json.dumps({k: v for k, v in said.items() if v != "left out"}).encode())


def full(id: str, at: float, items: list[Any], files: int = 1, **options: Any) -> Export:
    """The table as it was `at` so many minutes into the day; what is no item stands as a line of its own."""
    lines = [{"Item": item} if isinstance(item, dict) else item for item in items]
    return Export(id, [lines[n::files] for n in range(files)], {"exportTime": written(at)}, **options)


def changes(
    id: str, since: float, until: float, found: list[Any], files: int = 1, view: str = "NEW_AND_OLD_IMAGES", **options: Any
) -> Export:
    """The changes of a period, in minutes."""
    said = {
        "exportType": "INCREMENTAL_EXPORT", "exportFromTime": written(since), "exportToTime": written(until), "outputView": view,
    }  # fmt: skip
    return Export(id, [found[n::files] for n in range(files)], said, **options)


def change(at: float, new: Item | None = None, old: Item | None = None, key: tuple[str, ...] = ("pk", "sk")) -> dict[str, Any]:
    """A line of an incremental export: the last change of a key, some minutes into the day."""
    keys = {name: (new or old or {})[name] for name in key}
    images = {name: image for name, image in (("OldImage", old), ("NewImage", new)) if image}
    return {"Metadata": {"WriteTimestampMicros": {"N": str(micros(at))}}, "Keys": keys, **images}


def into(w: Landing) -> Put:
    """Into the folder of a world, byte for byte."""

    def put(name: str, data: bytes) -> None:
        place = w.root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)

    return put


@dataclass
class Table:
    """A table with all that was ever written to it, in minutes, from which its exports are made."""

    writes: list[tuple[float, tuple[str, str], Item | None]] = field(default_factory=list)

    def write(self, at: float, key: tuple[str, str], item: Item | None) -> None:
        """An item as it is from now on; None deletes it."""
        self.writes.append((at, key, item))

    def state(self, until: float) -> dict[tuple[str, str], Item]:
        """The items just before a time."""
        found: dict[tuple[str, str], Item | None] = {}
        for at, key, item in self.writes:
            if at < until:
                found[key] = item
        return {key: item for key, item in found.items() if item is not None}

    def full(self, id: str, at: float, files: int) -> Export:
        """An export of the whole."""
        return full(id, at, list(self.state(at).values()), files)

    def changes(self, id: str, since: float, until: float, files: int, view: str) -> Export:
        """An export of what has changed: the last image of each key, none for what came and went within the period."""
        before, last = self.state(since), dict[tuple[str, str], tuple[float, Item | None]]()
        for at, key, item in self.writes:
            if since <= at < until:
                last[key] = (at, item)
        found = []
        for (pk, sk), (at, item) in last.items():
            old = before.get((pk, sk))
            if item is None and old is None:
                continue
            line = change(at, item, old or {"pk": {"S": pk}, "sk": {"S": sk}})
            if old is None or view == "NEW_IMAGE":
                line.pop("OldImage")
            found.append(line)
        return changes(id, since, until, found, files, view)
