"""Random folders of DMS's files, dropped in rounds (late, repeated, rewritten, packed, torn), against a model of the table."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.landing import Landing, LandingMaker, view_of

STATUS = ["new", "paid", 'with "quotes"', "two\nlines", "semi;colon, comma", "", "NULL?", "ünï 🚚", "x" * 3_000]
Row = tuple[str, int, str, str]
"""Operation, key, status, commit time."""


@dataclass
class Model:
    """The newest of all that has been dropped: by commit time, then the file's time, then the line."""

    newest: dict[tuple[str, int], tuple[tuple[str, int, int], str | None]] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)

    def drop(self, shard: str, name: str, stamp: int, rows: list[Row], torn: bool) -> None:
        """A file with what it holds now."""
        self.faults[name] = int(torn)
        line = 1
        for op, key, status, at in rows:
            version = (at, stamp, line)
            line += 1 + status.count("\n")
            if version >= self.newest.get((shard, key), (("", 0, 0), None))[0]:
                self.newest[shard, key] = (version, None if op == "D" else status)

    def rows(self) -> list[tuple[str, int, str]]:
        """The table."""
        return sorted((shard, key, status) for (shard, key), (_, status) in self.newest.items() if status is not None)


def text_of(rows: list[Row], torn: bool) -> str:
    def quoted(value: str) -> str:
        return '"' + value.replace('"', '""') + '"' if any(c in value for c in '",\n;') else value

    lines = [",".join((op, at, str(key), quoted(status), "1.00")) for op, key, status, at in rows]
    return "".join(f"{line}\n" for line in lines) + ('I,2026-11-28 23:00:00.000000,77,"cut o' if torn else "")


def drop_some(w: Landing, dice: random.Random, model: Model, names: list[str], number: int) -> None:
    """Some files more, of which some have the name of one that is there."""
    dropped: dict[str, tuple[str, int, list[Row], bool]] = {}
    for n in range(dice.randint(1, 4)):
        again = names and dice.random() < 0.3
        stamp = f"10{dice.randint(0, 59):02}{dice.randint(0, 59):02}{number}{n}0"
        shard = dice.choice(["s1", "s2"])
        name = dice.choice(names) if again else f"dms/{shard}/orders/2026/11/{dice.randint(1, 30):02}/20261128-{stamp}.csv"
        if again:
            shard = name.split("/")[1]
        elif dice.random() < 0.3:
            name += ".gz"
        file = name.rpartition("/")[2]
        rows = [
            (
                dice.choice("IUUUD"),
                dice.randint(1, 8),
                dice.choice(STATUS),
                f"2026-11-28 10:00:{dice.randint(0, 3):02}.{dice.randint(0, 1):06}",
            )
            for _ in range(dice.randint(0, 12))
        ]
        torn = dice.random() < 0.2
        w.land(name, text_of(rows, torn))
        dropped[name] = (shard, int(file.split("-")[1].split(".")[0]), rows, torn)
        names.append(name)
    for name, (shard, at, rows, torn) in dropped.items():  # what was dropped and written over since was never seen
        model.drop(shard, name, at, rows, torn)


@pytest.mark.parametrize("seed", range(6))
def test_whatever_is_dropped_in_whatever_order_the_table_is_the_models(landing: LandingMaker, seed: int) -> None:
    dice, model, names = random.Random(seed), Model(), list[str]()
    lake: dict[str, Any] = {"connection": "athena-lake/main", "layouts": [{"table": "lake_orders", "format": "delta"}] if seed < 2 else []}
    w = landing(view=view_of({"timestamp": "at"}, lake=lake))
    for number in range(4):
        drop_some(w, dice, model, names, number)
        w.must_sync()
        assert w.target("_shard, id, status", "1, 2") == model.rows()
        assert w.ledger("SELECT count(*) FROM shardlake.rejects WHERE read_again_at IS NULL") == [(sum(model.faults.values()),)]
    assert [s.state for s in w.must_sync().shards.values()] == ["nothing"] * len({n.split("/")[1] for n in names})
    if seed < 2:
        assert w.query("SELECT _shard, id, status FROM analytics.lake_orders ORDER BY 1, 2") == model.rows()
