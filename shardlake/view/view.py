"""A view: one folder's `view.yaml`, as frozen models that forbid what they do not know.

Every message names the key and says what would be right; `view_file.py` adds the file.
"""

from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from shardlake.spec import Duration, Identifier, PlainText, Reference, SourceIdentifier, Spec, ViewName, identifier, source_identifier
from shardlake.view import jsonpath
from shardlake.view.layout import LakeTarget, check_layouts
from shardlake.view.nested import Declared
from shardlake.view.operation import Operation
from shardlake.view.source import AnySource, SourceSpec
from shardlake.view.types import Type
from shardlake.view.types import parse as parse_type

RESERVED = ("_shard", "_cursor", "_op", "_suspect", "_uncertain", "_seq")
"""Columns that Shardlake itself keeps in a target or in staging."""
POSTGRES_COLUMNS = ("tableoid", "ctid", "xmin", "cmin", "xmax", "cmax")
"""Columns that every table of Postgres has already."""
INFERRED = "inferred"
"""What `columns` says where they come from a schema that is kept in the lake."""


class Explode(Spec):
    """One row an element of a JSON array; `$element` and `$index` are its parts in `from`."""

    path: jsonpath.Path

    @field_validator("path", mode="before")
    @classmethod
    def _read(cls, value: Any) -> jsonpath.Path:
        path = value if isinstance(value, jsonpath.Path) else jsonpath.parse(value)
        source_identifier(path.column)
        if path.column.startswith("$"):
            raise ValueError(f"{path.column!r} is no source column; the path reads like payload.items")
        return path


class Column(Spec):
    """One column of the target: its type, where its values come from, and what its JSON becomes in the lake."""

    type: Type
    path: jsonpath.Path = Field(alias="from")
    lake: Declared = None

    @field_validator("type", mode="before")
    @classmethod
    def _read_type(cls, value: Any) -> Type:
        return value if isinstance(value, Type) else parse_type(str(value))

    @field_validator("path", mode="before")
    @classmethod
    def _read_path(cls, value: Any) -> jsonpath.Path:
        path = value if isinstance(value, jsonpath.Path) else jsonpath.parse(value)
        source_identifier(path.column)
        if path.column.startswith("$") and path.column not in ("$element", "$index"):
            raise ValueError(f"{path.column!r} is neither $element nor $index; rename such a column in extract.sql")
        return path

    @model_validator(mode="after")
    def _nested_json(self) -> Self:
        if self.lake and self.type != Type("jsonb"):
            raise ValueError(
                f"`lake: {self.lake}` is for a column of type jsonb, not {self.type}; declare `type: jsonb`, or leave `lake` out"
            )
        return self


class Deletes(Spec):
    """A column that says when a row was deleted: `apply` takes the row out of the target, `keep` leaves it there."""

    column: SourceIdentifier
    mode: Literal["keep", "apply"] = "apply"


class Warehouse(Spec):
    """The Postgres table that the view fills."""

    connection: Reference
    table: str
    key: tuple[Identifier, ...] | None = None
    indexes: tuple[tuple[Identifier, ...], ...] = ()
    write: Literal["merge", "append", "replace"] = "merge"
    lock_timeout: Duration = timedelta(seconds=30)

    @field_validator("table")
    @classmethod
    def _qualified(cls, value: str) -> str:
        parts = value.split(".")
        if len(parts) != 2 or any(len(identifier(part).encode()) > 50 for part in parts):
            raise ValueError(f"{value!r} must read schema.table, each of 50 bytes at most")
        if parts[0].lower() in ("shardlake", "shardlake_staging", "information_schema") or parts[0].startswith("pg_"):
            raise ValueError(f"the schema {parts[0]} is not for views; use one like analytics.{parts[1]}")
        return value

    @property
    def schema_name(self) -> str:
        return self.table.split(".")[0]

    @property
    def table_name(self) -> str:
        return self.table.split(".")[1]


class View(Operation):
    """A view, whole. `sql_text` is the text of extract.sql, given by the loader.

    With `columns: inferred` it is read without columns, and is `with_columns` before any row of it is worked on.
    """

    name: ViewName
    owner: Annotated[PlainText, Field(min_length=1)]
    description: PlainText = ""
    source: AnySource
    explode: Explode | None = None
    columns: dict[Identifier, Column]
    deletes: Deletes | None = None
    warehouse: Warehouse
    lake: LakeTarget = LakeTarget()
    sql_text: str | None = Field(None, exclude=True)

    @field_validator("columns", mode="before")
    @classmethod
    def _short_forms(cls, value: Any) -> Any:
        if value == INFERRED:
            return {}
        if not isinstance(value, dict):
            raise ValueError(f"`columns` maps each target column to its type, as in `amount: numeric(12,2)`, or is `{INFERRED}`")
        if not value:
            raise PydanticCustomError("too_short", "needs a column", {"min_length": 1})
        full: dict[Any, Any] = {}
        for name, column in value.items():
            if not isinstance(name, str):
                raise ValueError(f"the column name {name!r} is not text; put it in quotes")
            if not isinstance(column, str | dict | Column):
                raise ValueError(f"{name[:63]!r} has no type; write it as in `{name[:63]}: text`, or {{type: text, from: payload.name}}")
            if isinstance(column, str):
                column = {"type": column}
            if isinstance(column, dict) and "from" not in column and "path" not in column:
                column = {**column, "from": [name]}
            full[name] = column
        return full

    @field_validator("columns")
    @classmethod
    def _into_the_document(cls, value: dict[str, Column], info: ValidationInfo) -> dict[str, Column]:
        source = info.data.get("source")
        return in_raw(source, value) if source else value

    @field_validator("explode")
    @classmethod
    def _explode_in_the_document(cls, value: Explode | None, info: ValidationInfo) -> Explode | None:
        source = info.data.get("source")
        return value.model_copy(update={"path": source.raw_path(value.path)}) if value and source else value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.inferred:
            self._check_columns()
        elif self.explode:
            raise ValueError(f"columns: `{INFERRED}` finds columns of rows, not of an array's elements; write them, or take `explode` away")
        self._check_mode()
        self.check_operation(self.name, self.warehouse.write)
        if not self.inferred:
            self._check_layouts()
        return self

    @property
    def inferred(self) -> bool:
        """Whether its columns are those of a schema in the lake, and are not known yet."""
        return not self.columns

    def filling(self) -> Self:
        """The view, to which a column that a partition lacks is NULL there, unless its file says what `drift` is."""
        if "drift" in self.source.model_fields_set:
            return self
        return self.model_copy(update={"source": self.source.model_copy(update={"drift": "missing"})})

    def with_columns(self, columns: dict[str, Column]) -> Self:
        """The view with columns that its file does not say. Raises ValueError where they do not fit the rest of it."""
        found = self.filling().model_copy(update={"columns": in_raw(self.source, columns)})
        found._check_columns()
        found._check_layouts()
        return found

    def _check_columns(self) -> None:
        taken = [n for n in self.columns if n.lower() in RESERVED or n.lower().startswith("_shardlake_")]
        if taken:
            raise ValueError(f"columns.{taken[0]}: the names {', '.join(RESERVED)} and _shardlake_… are Shardlake's own; choose another")
        if taken := [name for name in self.columns if name in POSTGRES_COLUMNS]:
            raise ValueError(f"columns.{taken[0]}: the names {', '.join(POSTGRES_COLUMNS)} are Postgres's own; choose another")
        for what, names in (("columns", tuple(self.columns)), ("source columns", self.source_columns)):
            if alike := [n for n in names if sum(n.lower() == m.lower() for m in names) > 1]:
                raise ValueError(f"{what}: {alike[0]!r} and {alike[1]!r} differ only in capitals; rename one")
        for name, column in self.columns.items():
            if column.path.column in ("$element", "$index") and not self.explode:
                raise ValueError(f"columns.{name}: {column.path.column} needs `explode: {{path: …}}`")
        for group in (*([self.warehouse.key] if self.warehouse.key is not None else []), *self.warehouse.indexes):
            if not group or len(set(group)) < len(group):
                raise ValueError(f"warehouse: a key or index names one column or more, each once, not [{', '.join(group)}]")
        grouped = (*(self.warehouse.key or ()), *(c for index in self.warehouse.indexes for c in index))
        if missing := [c for c in grouped if c not in (*self.columns, "_shard")]:
            raise ValueError(f"warehouse: {missing[0]!r} is not one of the columns; there are: {', '.join(self.columns)}")
        if (
            self.explode
            and self.warehouse.key
            and not any(self.columns[k].path.column == "$index" for k in self.warehouse.key if k in self.columns)
        ):
            raise ValueError("warehouse.key: an exploded view's key needs the column that is `from: $index`")
        if self.explode and self.warehouse.key is None and not self.index_column:
            raise ValueError("columns: an exploded view needs a column `from: $index`, for its key")
        if nested := [k for k in self.key if k in self.columns and self.columns[k].lake]:
            raise ValueError(f"columns.{nested[0]}: a column of the key cannot be nested in the lake; leave `lake` out")

    def _check_layouts(self) -> None:
        check_layouts(self.lake, {n: c.type for n, c in self.columns.items()}, self.warehouse.write)
        if self.warehouse.key is None:
            for part in self.source.primary_key:
                if self.target_of(part) is None:
                    raise ValueError(
                        f"columns: the key defaults to _shard and the primary key, but {part!r} is no column; add it or give warehouse.key"
                    )

    def _check_mode(self) -> None:
        write, changes, by = self.warehouse.write, self.source.tells_changes, self.source.changes_by
        if write == "replace" and self.source.never_replaces:
            raise ValueError(f"warehouse.write: {self.source.never_replaces}")
        if write == "replace" and ((changes and not self.source.may_read_whole) or self.deletes or self.source.tells_deletes):
            raise ValueError(f"warehouse.write: `replace` loads whole tables; take away `{by}` and `deletes`, or use `merge`")
        if write != "replace" and not changes:
            raise ValueError(f"source.{by}: `{write}` needs a {by}; for a table without one use `warehouse.write: replace`")
        if write == "append" and self.source.brings_all_again:
            raise ValueError(
                f"warehouse.write: each {by} brings every row again, and `append` would add it each time; use `merge` or `replace`"
            )
        if write == "append" and (self.deletes or self.in_units):
            raise ValueError("warehouse.write: `append` is for rows that never change; use `merge` with explode or deletes")

    def target_of(self, source_column: str) -> str | None:
        """The target column that holds a source column as it is, if one does."""
        return next((n for n, c in self.columns.items() if c.path == jsonpath.Path(source_column)), None)

    @property
    def index_column(self) -> str | None:
        """The target column of an exploded element's place in its array."""
        return self.target_of("$index") if self.explode else None

    @property
    def key(self) -> tuple[str, ...]:
        """The target's key: as declared, or _shard (where partitions may share a key), the primary key and, exploded, the element's index."""
        if self.warehouse.key is not None:
            return self.warehouse.key
        own = tuple(str(self.target_of(c)) for c in self.source.primary_key)
        return (*(() if self.source.key_tells_row else ("_shard",)), *own, *((self.index_column,) if self.index_column else ()))

    @property
    def in_units(self) -> bool:
        """Whether rows come and go in units: an exploded parent's elements, or a row that may be deleted at its source."""
        return bool(self.explode or self.source.tells_deletes or (self.deletes and self.deletes.mode == "apply"))

    @property
    def unit_key(self) -> tuple[str, ...]:
        """The key of what comes and goes as one: the parent of exploded rows, else the row itself."""
        return tuple(k for k in self.key if k == "_shard" or self.columns[k].path.column not in ("$index", "$element"))

    @property
    def version_column(self) -> str | None:
        """The target column that tells the newer of two versions; `_cursor` is added where no column holds the version."""
        if self.warehouse.write != "merge":
            return None
        name = self.target_of(self.source.version_field) if self.source.version_field else None
        if (
            name
            and self.columns[name].type.name in ("timestamp", "timestamptz", "date", "bigint", "numeric")
            and not self.columns[name].type.sizes
        ):
            return name
        return "_cursor"

    @property
    def source_columns(self) -> tuple[str, ...]:
        """The source columns to read: what the source itself needs first, then what the columns use, each once."""
        wanted = [*self.source.own_fields]
        wanted += [self.explode.path.column] if self.explode else []
        wanted += [self.deletes.column] if self.deletes else []
        wanted += [c.path.column for c in self.columns.values() if not c.path.column.startswith("$")]
        return tuple(dict.fromkeys(wanted))


def in_raw(source: SourceSpec, columns: dict[str, Column]) -> dict[str, Column]:
    """Columns whose paths lead into raw."""
    return {n: c.model_copy(update={"path": source.raw_path(c.path)}) for n, c in columns.items()}
