"""A schema: the columns of a view as they were inferred, with a version and a date. It never changes; the next one follows it."""

import json
from datetime import datetime
from typing import Any, Self

from pydantic import Field, ValidationError

from shardlake.errors import SpecError
from shardlake.spec import Identifier, PlainText, Spec, ViewName
from shardlake.spec_file import explain
from shardlake.view.view import Column, View

FOLDER = "schemas"
"""The folder of the lake in which schemas lie."""


def key_of(view: str, version: int) -> str:
    """Where a schema lies in the lake.

    >>> key_of("finances", 7)
    'schemas/finances/000007.json'
    """
    return f"{FOLDER}/{view}/{version:06d}.json"


class Schema(Spec):
    """The columns of one view from `at` on, until the next version. `remarks` are what was seen and is no column."""

    view: ViewName
    version: int = Field(ge=1)
    at: datetime
    columns: dict[Identifier, Column] = Field(min_length=1)
    remarks: tuple[PlainText, ...] = ()

    @classmethod
    def read(cls, content: bytes, view: str, version: int) -> Self:
        """The schema of an object in the lake. Raises SpecError that names the object where it is none, or another's."""
        key = key_of(view, version)
        hint = f"Remove {key}; the version before it, or a new one by `shardlake infer {view}`, takes its place."
        try:
            read = cls.model_validate(json.loads(content))
        except ValidationError as error:
            found = "; ".join(line.removeprefix(f"{key}: ") for line in explain(error, key).message.splitlines())
            raise SpecError(f"the lake's {key} is damaged: {found}", hint=hint) from None
        except (ValueError, RecursionError) as error:
            raise SpecError(f"the lake's {key} is damaged: it is not JSON ({type(error).__name__})", hint=hint) from None
        if (read.view, read.version) != (view, version):
            raise SpecError(f"the lake's {key} is damaged: it is version {read.version} of {read.view}", hint=hint)
        return read

    def written(self) -> bytes:
        """The schema as it lies in the lake."""
        content: dict[str, Any] = {
            "view": self.view, "version": self.version, "at": self.at.isoformat(), "remarks": self.remarks,
            "columns": {n: {"type": str(c.type), "from": [c.path.column, *c.path.steps]} for n, c in self.columns.items()},
        }  # fmt: skip
        return json.dumps(content, ensure_ascii=False, indent=1).encode()

    def of(self, view: View) -> View:
        """A view with these columns. Raises SpecError where the rest of its file does not fit them."""
        try:
            return view.with_columns(self.columns)
        except ValueError as error:
            raise SpecError(
                f"{view.name}: its columns are inferred, and version {self.version} of them does not fit its file: {error}",
                hint="Correct the file, or write its columns: `shardlake discover` drafts them.",
            ) from None

    @property
    def called(self) -> str:
        """The schema for people: `schema 2 of 2026-11-28`."""
        return f"schema {self.version} of {self.at:%Y-%m-%d}"
