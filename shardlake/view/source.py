"""What a view may say of its source: what every kind has in common, and the keys of each kind.

The kind is the slug of the connection, as in `mysql-shards/shop`; `shardlake.kinds` has the spec of each.
"""

import re
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, SerializeAsAny, field_validator, model_validator

from shardlake.kinds import source_kind
from shardlake.spec import REFERENCE, Duration, Reference, Size, SourceIdentifier, Spec
from shardlake.view.item import Comparison
from shardlake.view.jsonpath import Path


class JsonLimits(Spec):
    """What a JSON document may be before it is a reject rather than a risk to the batch."""

    depth: int = Field(256, ge=1, le=400)  # past that Python's own stack ends
    keys: int = Field(10_000, ge=1)
    bytes: Size = 64 << 20


class SourceSpec(Spec):
    """Where rows come from: what a view of any kind of source says."""

    changes_by: ClassVar[str] = "position"
    """By what a source of this kind tells what has changed, in the words of its views."""
    connection: Reference
    primary_key: tuple[SourceIdentifier, ...] = Field(min_length=1)
    drift: Literal["stop", "missing", "null"] = "stop"
    json_limits: JsonLimits = JsonLimits()

    @field_validator("drift", mode="before")
    @classmethod
    def _null_without_quotes(cls, value: Any) -> Any:
        """YAML reads `drift: null` as no value; who writes it means the word."""
        return "null" if value is None else value

    @property
    def tells_changes(self) -> bool:
        """Whether the source can tell what has changed; where it cannot, the whole is read each time."""
        return True

    @property
    def may_read_whole(self) -> bool:
        """Whether the whole may be read each time although changes are told: a view that replaces its table asks for that."""
        return False

    @property
    def never_replaces(self) -> str | None:
        """Why a view may not replace its table, where the source has a reason of its own."""
        return None

    @property
    def document(self) -> str | None:
        """The raw column that holds a whole row as a document, for a source of documents: a view's paths lead into it."""
        return None

    def raw_path(self, path: Path) -> Path:
        """Where a view's path leads in raw: into the document, but for the source's own fields and the document itself."""
        if self.document is None or path.column.startswith("$") or path.column == self.document:
            return path
        return path if path.column in self.own_fields and not path.steps else Path(self.document, (path.column, *path.steps))

    @property
    def tells_deletes(self) -> bool:
        """Whether its rows say themselves, by their envelope, that a key is gone; where they do not, the view's `deletes` may."""
        return False

    @property
    def brings_all_again(self) -> bool:
        """Whether a reading brings rows again that have not changed since the last one; appended, each would be there many times."""
        return False

    @property
    def version_field(self) -> str | None:
        """The one source column that is the version of a row as it stands, if one is."""
        return None

    @property
    def key_tells_row(self) -> bool:
        """Whether a key is of one row over all partitions; where it may be in several, `_shard` is part of the target's key."""
        return False

    @property
    def shared(self) -> tuple[str, dict[str, Any]] | None:
        """What several views read by one reading, and the keys that all of them must say alike for that; None where each reads for itself."""
        return None

    @property
    def takes(self) -> tuple[Comparison, ...] | None:
        """Which rows of a feed that several views share are the view's; None where all are."""
        return None

    @property
    def takes_text(self) -> str:
        """The same as the view says it, for the ledger; empty where all are."""
        return ""

    @property
    def own_fields(self) -> tuple[str, ...]:
        """The source columns that are read whatever the view's columns are."""
        return self.primary_key

    @property
    def file(self) -> str | None:
        """The file beside view.yaml that the source needs, if it needs one."""
        return None

    @property
    def named(self) -> str:
        """What is read, for messages: a table, a query, a collection."""
        return self.connection


class Greatest(Spec):
    """The cursor of a join: the newest of several columns of `extract.sql`."""

    greatest: tuple[SourceIdentifier, ...] = Field(min_length=2)


class Cursors(SourceSpec):
    """A source that is read in windows of a cursor."""

    changes_by: ClassVar[str] = "cursor"
    lookback: Duration | Annotated[int, Field(ge=0)] = timedelta(minutes=5)
    safety_lag: Duration = timedelta(seconds=2)
    chunk: Size = 4 << 20
    window: Size = 256 << 20
    deadline: Duration = timedelta(minutes=30)


class SqlTables(Cursors):
    """A table, or a query, on every shard of SQL servers; changes are told by a cursor."""

    table: SourceIdentifier | None = None
    sql: str | None = None
    cursor: SourceIdentifier | Greatest | None = None

    @model_validator(mode="after")
    def _table_or_sql(self) -> Self:
        if (self.table is None) == (self.sql is None):
            raise ValueError("give either `table` or `sql: extract.sql`")
        if isinstance(self.cursor, Greatest) and self.table:
            raise ValueError("`cursor: {greatest: …}` is for `sql`; a table has one cursor column")
        return self

    @field_validator("sql")
    @classmethod
    def _inside_folder(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}\.sql", value):
            raise ValueError(f"{value!r} must be the name of a .sql file beside view.yaml, without a folder")
        return value

    @property
    def cursors(self) -> tuple[str, ...]:
        """The cursor's columns: none, one, or several of which the greatest counts."""
        if self.cursor is None:
            return ()
        return self.cursor.greatest if isinstance(self.cursor, Greatest) else (self.cursor,)

    @property
    def tells_changes(self) -> bool:
        """See SourceSpec: a cursor does."""
        return self.cursor is not None

    @property
    def version_field(self) -> str | None:
        """See SourceSpec: a cursor of one column."""
        return self.cursors[0] if len(self.cursors) == 1 else None

    @property
    def own_fields(self) -> tuple[str, ...]:
        """See SourceSpec: the key, then the cursor."""
        return (*self.primary_key, *self.cursors)

    @property
    def file(self) -> str | None:
        """See SourceSpec."""
        return self.sql

    @property
    def named(self) -> str:
        """See SourceSpec."""
        return str(self.table or self.sql)


def _of_its_kind(value: Any) -> Any:
    """Read `source:` by the spec of its connection's kind. Raises ValueError for a kind that is no source."""
    if isinstance(value, SourceSpec) or not isinstance(value, dict):
        return value
    reference = value.get("connection")
    well_formed = isinstance(reference, str) and re.fullmatch(REFERENCE, reference)
    spec = source_kind(str(reference)).view_spec() if well_formed else SqlTables  # whose own findings name the connection
    return spec.model_validate(value)


AnySource = Annotated[SerializeAsAny[SourceSpec], BeforeValidator(_of_its_kind)]
"""The `source:` of a view, read by its connection's kind."""
