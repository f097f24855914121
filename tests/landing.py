"""A world whose rows come from files that are dropped into a folder, or into a bucket of a real S3 server."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.world import World

DMS: dict[str, Any] = {
    "name": "orders",
    "owner": "tests@example.com",
    "source": {
        "connection": "s3-files/landing",
        "files": "dms/{shard}/orders/**/*.csv*",
        "format": "dms",
        "fields": ["id", "status", "amount"],
        "primary_key": ["id"],
        "settle": "0s",
    },
    "columns": {"id": "bigint", "status": "text", "amount": "numeric(12,2)"},
    "warehouse": {"connection": "postgres-warehouse/main", "table": "analytics.orders"},
}


def view_of(source: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """The view of DMS's drops with some parts changed; what is None in `source` is left out."""
    view = json.loads(json.dumps(DMS)) | changes
    view["source"] = {key: value for key, value in {**DMS["source"], **(source or {})}.items() if value is not None}
    return view


@dataclass
class Landing(World):
    """The world; `land` drops a file."""

    bucket: dict[str, Any] = field(default_factory=dict)
    """The connection of a bucket, in place of the folder."""

    @property
    def root(self) -> Path:
        """The folder."""
        return self.folder / "landing"

    def connections(self) -> dict[str, dict[str, Any]]:
        """See World."""
        if not self.bucket:
            self.root.mkdir(exist_ok=True)
        others = {name: it for name, it in super().connections().items() if not name.endswith("/shop")}
        return {**others, "s3-files/landing": self.bucket or {"url": str(self.root)}}

    def land(self, name: str, content: str | bytes, at: float | None = None) -> Path:
        """Write a file as a whole; gzip by its name; `at` is the time that it bears."""
        place, data = self.root / name, content.encode() if isinstance(content, str) else content
        place.parent.mkdir(parents=True, exist_ok=True)
        hidden = place.with_name(f".{place.name}.part")
        hidden.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        if at is not None:
            os.utime(hidden, (at, at))
        hidden.replace(place)
        return place

    def items(self) -> list[tuple[Any, ...]]:
        """What the ledger knows of files: name, window, and whether it is there still."""
        return self.ledger("SELECT name, window_id, gone_at IS NULL FROM shardlake.items ORDER BY name, window_id")


LandingMaker = Callable[..., Landing]
