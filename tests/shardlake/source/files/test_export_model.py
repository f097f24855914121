"""Random tables, exported at random times, the exports read in random order: the target is the table."""

from __future__ import annotations

import random
from typing import Any

import pytest

from shardlake.source.files import listing
from tests.exports import Export, Item, Table, export_view, fin, into
from tests.landing import LandingMaker

STATUS = ["paid", "open", 'with "quotes"', "two\nlines", "", "ünï 🚚", "x" * 3_000]


def random_table(dice: random.Random, minutes: int) -> Table:
    """Some keys, each written and deleted now and then."""
    table = Table()
    for at in sorted(dice.sample(range(1, minutes * 10), 90)):
        pk, n = f"k{dice.randint(1, 9)}", dice.randint(1, 2)
        item: Item | None = None if dice.random() < 0.25 else fin(pk, n, dice.choice(STATUS), kind={"S": dice.choice("ab")})
        table.write(at / 10, (pk, f"FIN#{n}"), item)
    return table


def random_exports(dice: random.Random, table: Table, minutes: int) -> list[Export]:
    """A full export and what has changed since, period by period; and others of several periods at once, and of the whole in between."""
    cuts = [0, *sorted(dice.sample(range(1, minutes), 5)), minutes]
    view = dice.choice(["NEW_AND_OLD_IMAGES", "NEW_IMAGE"])
    start = dice.randint(0, 2)
    made = [table.full("0000-full", cuts[start], dice.randint(1, 3))]
    made += [table.changes(f"{n:04}-part", cuts[n], cuts[n + 1], dice.randint(1, 3), view) for n in range(start, len(cuts) - 1)]
    first, last = sorted(dice.sample(range(start, len(cuts)), 2))
    made.append(table.changes("0100-over", cuts[first], cuts[last], 2, view))
    made.append(table.full("0101-full", cuts[dice.randint(start, len(cuts) - 1)], 2))
    dice.shuffle(made)
    return made


@pytest.mark.parametrize("seed", range(6))
def test_in_whatever_order_exports_are_read_the_target_is_the_table(
    landing: LandingMaker, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    dice, minutes = random.Random(seed), 120
    monkeypatch.setattr(listing, "MOST_FILES", dice.choice([1, 3, 500]))
    table = random_table(dice, minutes)
    item = dice.choice([None, "kind = 'a'", "sk = 'FIN#1' and kind = 'a'", "sk = 'FIN#2'"])
    lake: dict[str, Any] = {"connection": "athena-lake/main", "layouts": [{"table": "finances", "format": "delta"}] if seed < 2 else []}
    w = landing(view=export_view(source={"item": item}, lake=lake))
    exports = random_exports(dice, table, minutes)
    for some in (exports[:3], exports[3:5], exports[5:]):
        for export in some:
            export.write(into(w))
        w.must_sync()
    want = sorted((pk, sk, found["status"]["S"]) for (pk, sk), found in table.state(minutes).items() if takes(item, sk, found))
    assert w.target("pk, sk, status", "1, 2") == want
    assert w.must_sync().shards["files"].state == "nothing"
    if seed < 2:
        assert w.query("SELECT pk, sk, status FROM analytics.finances ORDER BY 1, 2") == want


def takes(item: str | None, sk: str, found: Item) -> bool:
    """What the view's condition says."""
    return not item or (("kind" not in item or found["kind"]["S"] == "a") and ("sk" not in item or f"'{sk}'" in item))
