"""The columns that decide which of two rows is newer."""

from dataclasses import dataclass

from shardlake.view.layout import folded
from shardlake.view.view import View


@dataclass(frozen=True, slots=True)
class Keys:
    """The folded names that decide: the unit's key, the row's, and its version."""

    unit: tuple[str, ...]
    key: tuple[str, ...]
    version: str

    @classmethod
    def of(cls, view: View) -> "Keys":
        """Those of a view."""
        return cls(tuple(map(folded, view.unit_key)), tuple(map(folded, view.key)), folded(str(view.version_column)))
