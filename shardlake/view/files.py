"""What a view may say of files: which they are, how they are written, and what tells the newer of two rows."""

import re
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from shardlake.spec import Duration, PlainText, Size, SourceIdentifier
from shardlake.view.items import ItemSource

OWN = ("_file", "_line", "_version", "_op")
"""Columns that each row of a file has beside those of the file: its file, where it begins there, its version, and whether it is gone."""
Format = Literal["csv", "jsonl", "parquet", "dms", "dynamodb-export"]
EXPORT: Format = "dynamodb-export"
"""Exports of a table of DynamoDB: `files` are their manifests."""
MANIFEST = "manifest-summary.json"
"""What AWS calls them."""


def _one_character(value: str) -> str:
    if len(value.encode()) != 1 or value in "\r\n\0":
        raise ValueError(f'{value!r} is not one character of ASCII; write it in quotes, a tab as "\\t"')
    return value


def _listed(value: Any) -> Any:
    if value is None or (isinstance(value, list) and None in value):  # YAML's own word for none
        raise ValueError('put it in quotes, as in nulls: ["NULL"]')
    return (value,) if isinstance(value, str) else value


Character = Annotated[str, AfterValidator(_one_character)]


class Files(ItemSource):
    """Files under a folder or in a bucket, each read once."""

    changes_by: ClassVar[str] = "files"
    files: PlainText = Field(min_length=1)
    format: Format
    table: PlainText | None = None
    fields: tuple[SourceIdentifier, ...] | None = None
    timestamp: SourceIdentifier | None = None
    header: bool | None = None
    delimiter: Character | None = None
    quote: Character | Literal["none"] | None = None
    escape: Character | None = None
    nulls: Annotated[tuple[str, ...] | None, BeforeValidator(_listed)] = None
    encoding: str | None = None
    on_removed: Literal["keep", "delete"] = "keep"
    settle: Duration | None = None
    recent: Duration | None = None
    relist: Duration = timedelta(days=1)
    window: Size = 256 << 20

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        folders = self.files.split("/")
        if self.files.startswith("/") or any(part in ("", ".", "..") for part in folders):
            raise ValueError(f"files: {self.files!r} is a path under the connection's url, as in orders/*.csv, without . and .. in it")
        if self.files.count("{shard}") > 1 or re.search(r"\{(?!shard\}|date:[YMDH/_-]+\})", self.files):
            raise ValueError(f"files: {self.files!r} may hold {{shard}} once, and {{date:YYYY/MM/DD}}; a part that may be anything is *")
        before, _, _ = self.files.partition("{shard}")
        if "{shard}" in self.files and re.search(r"[*?{\[]", before):
            raise ValueError(f"files: what stands before {{shard}} in {self.files!r} must be plain: it is listed to find the shards")
        if self.recent and "{date:" not in self.files:
            raise ValueError("source.recent: it needs the date in `files`, as in orders/{date:YYYY/MM/DD}/*.csv")
        written = [n for n in ("fields", "header", "delimiter", "quote", "escape", "nulls", "encoding") if getattr(self, n) is not None]
        if written and self.format not in ("csv", "dms"):
            raise ValueError(f"source.{written[0]}: it is for CSV, and not for {self.format}")
        if self.header is False and not self.fields:
            raise ValueError("source.fields: files without a header need their columns in order, as in fields: [id, status]")
        if self.table and self.format not in ("dms", EXPORT):
            raise ValueError(
                f"source.table: it is for `format: dms` or `{EXPORT}`, and says which table's rows are taken where there are those of several"
            )
        if taken := [name for name in (*(self.fields or ()), self.timestamp) if name in OWN]:
            raise ValueError(f"source: the names {', '.join(OWN)} are Shardlake's own; give {taken[0]!r} another")
        if self.of_export:
            self._check_export()
        elif self.item:
            raise ValueError(f"source.item: it is for `format: {EXPORT}`, and says which of a table's items are the view's")
        return self

    def _check_export(self) -> None:
        self.check_items((*OWN, "document"))
        if not self.files.endswith(MANIFEST):
            raise ValueError(f"files: {self.files!r} are the manifests of exports, as in AWSDynamoDB/*/{MANIFEST}")
        if self.timestamp:
            raise ValueError("source.timestamp: exports have the times of their rows themselves; leave it out")
        if self.on_removed == "delete":
            raise ValueError(
                "source.on_removed: an export that has been removed says nothing of its items, which stay; incremental exports tell deletes"
            )

    @property
    def of_export(self) -> bool:
        """Whether the files are exports of a table of DynamoDB."""
        return self.format == EXPORT

    @property
    def may_read_whole(self) -> bool:
        """See SourceSpec: a view that replaces its table reads every file each time."""
        return True

    @property
    def tells_deletes(self) -> bool:
        """See SourceSpec: DMS's rows and incremental exports do, and files that are gone where their rows go with them."""
        return self.format == "dms" or self.of_export or self.on_removed == "delete"

    @property
    def never_replaces(self) -> str | None:
        """See SourceSpec: each export is a state or a change of one table, which all of them together make up."""
        if not self.of_export:
            return None
        return f"`replace` is not for `format: {EXPORT}`; use `merge`: the newest state of each key counts, and incremental exports tell deletes"

    @property
    def key_tells_row(self) -> bool:
        """See SourceSpec: the keys of a table's exports do, unless there are several tables."""
        return self.of_export and "{shard}" not in self.files

    @property
    def document(self) -> str | None:
        """See SourceSpec: a line of JSON is one, and so is an item."""
        return "document" if self.format in ("jsonl", EXPORT) else None

    @property
    def own_fields(self) -> tuple[str, ...]:
        """See SourceSpec: the key, and the item that `item` looks into."""
        return self.key_and_document

    @property
    def named(self) -> str:
        """See SourceSpec."""
        return self.files
