"""What a view may say of files: which they are, how they are written, and what tells the newer of two rows."""

import re
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from shardlake.spec import Duration, PlainText, Size, SourceIdentifier
from shardlake.view.source import SourceSpec

OWN = ("_file", "_line", "_version", "_op")
"""Columns that each row of a file has beside those of the file: its file, where it begins there, its version, and whether it is gone."""
Format = Literal["csv", "jsonl", "parquet", "dms"]


def _one_character(value: str) -> str:
    if len(value.encode()) != 1 or value in "\r\n\0":
        raise ValueError(f'{value!r} is not one character of ASCII; write it in quotes, a tab as "\\t"')
    return value


def _listed(value: Any) -> Any:
    if value is None or (isinstance(value, list) and None in value):  # YAML's own word for none
        raise ValueError('put it in quotes, as in nulls: ["NULL"]')
    return (value,) if isinstance(value, str) else value


Character = Annotated[str, AfterValidator(_one_character)]


class Files(SourceSpec):
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
        if self.table and self.format != "dms":
            raise ValueError("source.table: it is for `format: dms`, and says which table's rows are taken of files that hold several")
        if taken := [name for name in (*(self.fields or ()), self.timestamp) if name in OWN]:
            raise ValueError(f"source: the names {', '.join(OWN)} are Shardlake's own; give {taken[0]!r} another")
        return self

    @property
    def may_read_whole(self) -> bool:
        """See SourceSpec: a view that replaces its table reads every file each time."""
        return True

    @property
    def tells_deletes(self) -> bool:
        """See SourceSpec: DMS's rows do, and files that are gone where their rows go with them."""
        return self.format == "dms" or self.on_removed == "delete"

    @property
    def document(self) -> str | None:
        """See SourceSpec: a line of JSON is one."""
        return "document" if self.format == "jsonl" else None

    @property
    def own_fields(self) -> tuple[str, ...]:
        """See SourceSpec."""
        return self.primary_key

    @property
    def named(self) -> str:
        """See SourceSpec."""
        return self.files
