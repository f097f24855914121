"""What a view may say of a MongoDB collection."""

import json
import re
from typing import Annotated, Any, Literal, Self

from bson import encode, json_util
from bson.errors import BSONError
from pydantic import BeforeValidator, Field, model_validator
from pymongo.errors import PyMongoError

from shardlake.spec import plain_text
from shardlake.view.source import Cursors

DOCUMENT = "document"
"""The raw column that holds a whole document, as JSON."""
_CODE = ("$where", "$function", "$accumulator")
"""Operators that run JavaScript on the server."""


def _collection(value: str) -> str:
    if not 0 < len(value.encode(errors="surrogatepass")) <= 255 or "$" in value or value.startswith("system."):
        raise ValueError(f"{value[:40]!r} is no collection: a name has 1 to 255 bytes, no $, and does not begin with system.")
    return plain_text(value)


def _field(value: str) -> str:
    if not value or value.startswith("$") or not all(value.split(".")):
        raise ValueError(f"{value[:40]!r} is no field; it reads like updatedAt, or meta.updatedAt for one inside another")
    return plain_text(value)


def _filter(value: Any) -> Any:
    """A filter as JSON text. Raises ValueError for what is no JSON object, or runs code."""
    try:
        found = json.loads(value) if isinstance(value, str) else value
        text = json.dumps(found, allow_nan=False)
    except (ValueError, TypeError):
        raise ValueError('a filter is a mapping as find() takes it; write dates as {$date: "2026-01-31T00:00:00Z"}') from None
    if not isinstance(found, dict):
        raise ValueError("a filter is a mapping, as in {status: {$ne: draft}}")
    if code := [operator for operator in _CODE if f'"{operator}"' in text]:
        raise ValueError(f"{code[0]} runs code on the server; say it by operators such as $gt, $in or $regex")
    try:
        encode(json_util.loads(text))
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, BSONError, PyMongoError) as error:
        raise ValueError(f"source.filter is not MongoDB's Extended JSON: {str(error)[:200]}") from None
    return text


Collection = Annotated[str, BeforeValidator(_collection)]
FieldPath = Annotated[str, BeforeValidator(_field)]


class MongoCollection(Cursors):
    """A collection, in one database or in several alike; changes are told by a cursor. Without one the whole is read each time.

    `filter` is kept as JSON text, in MongoDB's Extended JSON. `ids` says what an `_id` may be: of `any` type, or a `string`
    as a rule, which is then spelt as it stands even where it looks like a number or an ObjectId.
    """

    primary_key: tuple[Literal["_id"]] = ("_id",)
    collection: Collection
    cursor: FieldPath | None = None
    filter: Annotated[str, BeforeValidator(_filter)] | None = None
    projection: dict[FieldPath, Literal[0, 1]] | None = Field(None, min_length=1)
    ids: Literal["any", "string"] = "any"

    @model_validator(mode="after")
    def _one_projection(self) -> Self:
        chosen = self.projection or {}
        if len(set(chosen.values())) > 1:
            raise ValueError("projection: name the fields that come (1) or those that stay away (0), not both")
        for name in filter(None, ("_id", self.cursor)):
            if any(value == 0 and re.match(rf"{re.escape(field)}(\.|$)", name) for field, value in chosen.items()):
                raise ValueError(f"projection: {name} is always read; take it out")
        return self

    @property
    def tells_changes(self) -> bool:
        """See SourceSpec: a cursor does."""
        return self.cursor is not None

    @property
    def document(self) -> str:
        """See SourceSpec: paths of columns lead into the document."""
        return DOCUMENT

    @property
    def named(self) -> str:
        """See SourceSpec."""
        return self.collection
