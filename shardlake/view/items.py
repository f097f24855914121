"""What a view may say of the items of a table of DynamoDB, wherever they are read from: a scan or an export."""

from pydantic import field_validator

from shardlake.view.item import Comparison, parse
from shardlake.view.source import SourceSpec


class ItemSource(SourceSpec):
    """A source of items; `item` says which of them are the view's."""

    item: str | None = None

    @field_validator("item")
    @classmethod
    def _readable(cls, value: str | None) -> str | None:
        if value is not None:
            parse(value)
        return value

    def check_items(self, own: tuple[str, ...]) -> None:
        """That the key is a table's, and `item` can be told of its items; `own` are raw's own columns. Raises ValueError."""
        if len(self.primary_key) > 2:
            raise ValueError("primary_key: a table's key has one attribute or two")
        if taken := [name for name in self.primary_key if name in own]:
            raise ValueError(f"primary_key: an attribute {taken[0]!r} cannot be read, since raw has a column of that name")
        if below := [c.path for c in self.takes or () if c.path.column in self.primary_key and c.path.steps]:
            raise ValueError(f"item: {below[0]} leads into {below[0].column}, which is of the key and holds a text, a number or binary")

    @property
    def takes(self) -> tuple[Comparison, ...] | None:
        """See SourceSpec."""
        return parse(self.item) if self.item else None

    @property
    def takes_text(self) -> str:
        """See SourceSpec."""
        return self.item or ""

    @property
    def beyond_key(self) -> tuple[Comparison, ...]:
        """What `item` says of other attributes than the key's."""
        return tuple(c for c in self.takes or () if c.path.column not in self.primary_key)

    @property
    def key_and_document(self) -> tuple[str, ...]:
        """The raw columns that are needed in any case: the key, and the item where `item` looks into it."""
        return (*self.primary_key, *(["document"] if self.beyond_key else []))
