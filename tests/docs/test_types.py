"""The manual's tables of what is drafted for a source's types, held against the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from shardlake.source.sql import mysql_types, postgres_types
from shardlake.source.sql.dialect import ColumnType

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "types.md").read_text("utf-8")


@pytest.mark.parametrize(("server", "types"), [("MySQL, MariaDB", mysql_types.TYPES), ("Postgres", postgres_types.TYPES)])
def test_the_tables_of_drafted_types_say_what_the_code_does(server: str, types: dict[str, ColumnType]) -> None:
    table = PAGE.partition(f"| {server} | drafted as |\n|---|---|\n")[2].partition("\n\n")[0]
    said = {}
    for line in table.splitlines():
        names, target = line.strip("| ").split(" | ")
        said |= dict.fromkeys(re.findall("`(.+?)`", names), target)
    refused = "refused; see what the message says"
    assert said == {name: f"`{t.target}`" if t.target else refused for name, t in types.items() if name != "null"}
