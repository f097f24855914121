"""What a view may say of a table of DynamoDB."""

from datetime import timedelta
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from shardlake.spec import Duration, Size, SourceIdentifier
from shardlake.view.items import ItemSource

OWN = ("document", "_version", "_op")
"""Raw columns beside the key."""


class DynamoTable(ItemSource):
    """A table, which is read by scans of all its items; `item` says which of them are the view's."""

    changes_by: ClassVar[str] = "scan"
    table: SourceIdentifier | None = Field(None, pattern=r"^[A-Za-z0-9_.-]{3,255}$")
    segments: int = Field(4, ge=1, le=4096)
    deletes: Literal["absent"] | None = None
    consistent: bool = False
    read_units: float | None = Field(None, gt=0)
    capacity: float | None = Field(None, gt=0, le=1)
    window: Size = 256 << 20
    deadline: Duration = timedelta(minutes=30)

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.table is None:
            raise ValueError("give `table`, the table's name in DynamoDB")
        if self.read_units is not None and self.capacity is not None:
            raise ValueError("give either `read_units`, or `capacity` as a share of the table's own")
        self.check_items(OWN)
        if self.deletes and (other := self.beyond_key):
            raise ValueError(
                f"deletes: an item whose {other[0].path} changes would leave the view unseen; with `deletes: absent` let `item` speak of"
                f" {' and '.join(self.primary_key)} alone, or take `warehouse.write: replace` without `deletes`"
            )
        return self

    @property
    def shared(self) -> tuple[str, dict[str, Any]]:
        """See SourceSpec: a scan."""
        alike = {
            "segments": self.segments,
            "deletes": self.deletes,
            "consistent": self.consistent,
            "read_units": self.read_units,
            "capacity": self.capacity,
        }
        return f"{self.connection} {self.table}", alike

    @property
    def may_read_whole(self) -> bool:
        """See SourceSpec: a scan reads all that there is."""
        return True

    @property
    def brings_all_again(self) -> bool:
        """See SourceSpec: each scan does."""
        return True

    @property
    def key_tells_row(self) -> bool:
        """See SourceSpec: no two segments hold one key."""
        return True

    @property
    def tells_deletes(self) -> bool:
        """See SourceSpec: what is absent from a whole scan and was in the one before."""
        return self.deletes == "absent"

    @property
    def document(self) -> str:
        """See SourceSpec."""
        return "document"

    @property
    def own_fields(self) -> tuple[str, ...]:
        """See SourceSpec: the key, and the item that `item` looks into."""
        return self.key_and_document

    @property
    def named(self) -> str:
        """See SourceSpec."""
        return str(self.table)
