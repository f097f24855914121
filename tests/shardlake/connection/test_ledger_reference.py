"""`ledger:` in connections.yaml, and SHARDLAKE_LEDGER: which connection holds the ledger."""

from __future__ import annotations

from pathlib import Path

import pytest

from shardlake.connection.connection_file import connection_names, ledger_reference, load_connection
from shardlake.errors import SpecError

CONNECTIONS = """
postgres-warehouse/main: {url: postgresql://loader@warehouse/analytics}
postgres-warehouse/ledger: {url: postgresql://keeper@other/shardlake}
athena-lake/main: {url: ./lake}
"""
EXAMPLE = "Write the name of one, as in postgres-warehouse/ledger."


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("SHARDLAKE_LEDGER", raising=False)
    return tmp_path / "connections.yaml"


def test_without_a_word_the_ledger_is_the_warehouses(file: Path) -> None:
    file.write_text(CONNECTIONS)
    assert ledger_reference(file) is None
    assert ledger_reference(None) is None


def test_the_file_says_where_the_ledger_is_and_that_key_is_no_connection(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(f"ledger: postgres-warehouse/ledger\n{CONNECTIONS}")
    monkeypatch.setenv("SHARDLAKE_LEDGER", "postgres-warehouse/main")  # the file comes first
    assert ledger_reference(file) == "postgres-warehouse/ledger"
    assert connection_names(file) == ["postgres-warehouse/main", "postgres-warehouse/ledger", "athena-lake/main"]
    with pytest.raises(SpecError, match=r"has no connection 'ledger'; there are: postgres-warehouse/main, postgres-warehouse/ledger"):
        load_connection(file, "ledger")


def test_the_environment_says_it_for_blocks_and_for_a_file_that_does_not(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(CONNECTIONS)
    monkeypatch.setenv("SHARDLAKE_LEDGER", "postgres-warehouse/ledger")
    assert ledger_reference(None) == ledger_reference(file) == "postgres-warehouse/ledger"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("athena-lake/main", f"the ledger is kept in a connection of the kind postgres-warehouse. {EXAMPLE}"),
        ("ledger", f"the ledger is kept in a connection of the kind postgres-warehouse. {EXAMPLE}"),
        ("{url: 'postgresql://keeper:hunter2@other/x'}", f"the ledger is kept in a connection of the kind postgres-warehouse. {EXAMPLE}"),
        ("", f"the ledger is kept in a connection of the kind postgres-warehouse. {EXAMPLE}"),
        (
            "postgres-warehouse/legder",
            "{file} has no connection 'postgres-warehouse/legder'; there are: postgres-warehouse/main, postgres-warehouse/ledger. "
            + EXAMPLE,
        ),
    ],
)
def test_what_is_no_declared_postgres_database_is_refused(file: Path, given: str, said: str) -> None:
    file.write_text(f"ledger: {given}\n{CONNECTIONS}")
    with pytest.raises(SpecError) as error:
        ledger_reference(file)
    assert str(error.value) == f"{file}: ledger: {said.replace('{file}', str(file))}"


def test_the_environments_mistakes_are_named_as_the_environments(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(CONNECTIONS)
    monkeypatch.setenv("SHARDLAKE_LEDGER", "postgres-warehouse/none")
    with pytest.raises(
        SpecError, match=r"^SHARDLAKE_LEDGER: .* has no connection 'postgres-warehouse/none'; there are: postgres-warehouse/main"
    ):
        ledger_reference(file)
    monkeypatch.setenv("SHARDLAKE_LEDGER", "mysql-shards/shop")
    with pytest.raises(SpecError, match=r"^SHARDLAKE_LEDGER: the ledger is kept in a connection of the kind postgres-warehouse"):
        ledger_reference(None)
