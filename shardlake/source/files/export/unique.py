"""That the items of a full export have a key each: where two have one, the view's `primary_key` is not the table's, and rows would be lost."""

import polars as pl
import pyarrow as pa

from shardlake.errors import ContractError

_SEEDS = (1, 2)
"""Of two hashes of a key, 16 bytes together: one of 8 bytes alone may be that of two keys in a large file."""


class Unique:
    """The keys of a data file, of each two hashes and its line: 24 bytes."""

    def __init__(self, key: tuple[str, ...], place: str) -> None:
        self._key, self._place = key, place
        self._seen: list[pl.DataFrame] = []

    def add(self, rows: pa.Table, lines: pa.Array) -> None:
        """Some rows with the lines that they stand at."""
        keys = pl.DataFrame(rows.select(list(self._key)))
        hashes = [keys.hash_rows(seed).rename(f"{seed}") for seed in _SEEDS]
        self._seen.append(pl.DataFrame([*hashes, pl.Series("line", lines)]))

    def require(self) -> None:
        """That no two rows have one key. Raises ContractError."""
        if not self._seen:
            return
        hashes, seen = [f"{seed}" for seed in _SEEDS], pl.concat(self._seen)
        if seen.get_column(hashes[0]).n_unique() == seen.height:
            return
        twice = seen.group_by(hashes).agg(pl.col("line").bottom_k(2).sort(), count=pl.len()).filter(pl.col("count") > 1).sort("line")
        if twice.is_empty():
            return
        one, other = twice["line"][0]
        raise ContractError(
            f"{self._place}: lines {one} and {other} have the same {' and '.join(self._key)}, and no two items of a table have the same key",
            hint="Write the table's whole key as `primary_key`: the partition key, and the sort key where it has one.",
        )
