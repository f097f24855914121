"""What a newcomer gets wrong, at every command: one message with file, key and next step, no traceback, no empty table."""

from __future__ import annotations

import pytest

from shardlake import __version__
from tests.world import ORDERS_TABLE, World, WorldMaker

OF_A_VIEW = {
    "run": ("run", "orders"),
    "plan": ("plan", "orders"),
    "rejects": ("rejects", "orders"),
    "replay": ("replay", "orders"),
    "backfill": ("backfill", "orders", "--from", "2026-01-01", "--to", "2026-01-02"),
    "lake": ("lake", "orders"),
    "query": ("query", "SELECT 1"),
    "compact": ("compact", "orders"),
    "sweep": ("sweep", "orders"),
    "status": ("status",),
}
"""Every command that asks the warehouse."""


@pytest.fixture
def shop(world: WorldMaker) -> World:
    w = world()
    w.on_all(ORDERS_TABLE)
    return w


def message(w: World, *words: str, code: int = 1, **extra: str) -> str:
    """What a command says on standard error, where it prints nothing else."""
    done = w.command(*words, **extra)
    assert (done.returncode, done.stdout) == (code, "")
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize("command", OF_A_VIEW)
def test_a_password_that_is_not_exported_is_named_with_file_and_key(shop: World, command: str) -> None:
    shop.write_files()
    text = (shop.folder / "connections.yaml").read_text().replace("password: ", "password: ${NOT_EXPORTED} #", 2)
    (shop.folder / "unset.yaml").write_text(text)
    said = message(shop, "--connections", "unset.yaml", *OF_A_VIEW[command])
    assert ".password: ${NOT_EXPORTED} is not set. Set it in the environment of this process.\n" in said
    assert "unset.yaml: " in said


@pytest.mark.parametrize("command", ["plan", "status", "rejects", "discover"])
def test_a_port_at_which_nobody_answers_is_named_with_its_address(shop: World, command: str) -> None:
    shop.write_files()
    text = (shop.folder / "connections.yaml").read_text()
    for port in {shop.source.port, shop.warehouse_server.port}:
        text = text.replace(f"127.0.0.1:{port}", "127.0.0.1:1")
    (shop.folder / "closed.yaml").write_text(text)
    said = message(shop, "--connections", "closed.yaml", *OF_A_VIEW.get(command, ("discover", "mysql-shards/shop", "orders")))
    assert "(127.0.0.1:1/" in said
    assert said.endswith("Check that it runs and can be reached from here.\n")


def test_a_folder_without_views_says_how_to_come_to_one(shop: World) -> None:
    (shop.folder / "none").mkdir()
    for words in (OF_A_VIEW["run"], OF_A_VIEW["query"], OF_A_VIEW["status"]):
        assert message(shop, "--views", "none", *words) == (
            "SpecError none holds no view: no folder in it has a view.yaml. Name the folder of your views with --views or SHARDLAKE_VIEWS;"
            " `shardlake discover CONNECTION TABLE` drafts a first one.\n"
        )


def test_a_shard_that_there_is_not_is_one_message_that_lists_those_there_are(shop: World) -> None:
    for name in ("run", "plan", "rejects", "replay", "backfill"):
        assert "mysql-shards/shop has no shard 'shop_9'; there are: shop_00\n" in message(shop, *OF_A_VIEW[name], "--shard", "shop_9")


def test_publish_without_a_project_says_what_is_missing_before_prefect_is_loaded(shop: World) -> None:
    lines = message(shop, "publish", PYTHONPROFILEIMPORTTIME="1").splitlines()
    assert [line for line in lines if not line.startswith("import time:")] == [
        "SpecError there is no prefect.yaml, which names the project and its work pools. Write it, or name it with --project."
    ]
    assert [line for line in lines if line.rpartition("|")[2].strip() == "prefect"] == []


def test_the_version_is_asked_for_as_everywhere(shop: World) -> None:
    done = shop.command("--version", SHARDLAKE_VERSION="1a2b3c4")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"shardlake {__version__} (1a2b3c4)\n", "")


def test_a_run_of_which_no_shard_was_read_does_not_say_that_nothing_is_new(shop: World) -> None:
    shop.on_all("DROP TABLE orders")
    done = shop.command("run", "orders")
    assert done.returncode == 1
    assert "orders: no rows read; 0/1 shards merged; shop_00: (127.0.0.1:" in done.stdout


def test_a_fault_of_ours_is_a_message_and_a_traceback_only_where_it_is_asked_for(shop: World) -> None:
    words = ("--connections", "connections.yaml", "replay", "orders")
    shop.must_sync()
    shop.on_all("INSERT INTO orders VALUES (1, 'new', 1, '2026-01-01', NULL)")
    shop.set_back("2025-01-01")
    shop.must_sync()
    said = message(shop, *words, SHARDLAKE_FAILPOINT="merge.started=error")
    assert said.startswith("RuntimeError in Shardlake itself (shardlake/failpoints.py, line ")
    assert said.endswith(" Please report it; with SHARDLAKE_TRACEBACK=1 the command shows where it was.\n")
    loud = shop.command(*words, SHARDLAKE_FAILPOINT="merge.started=error", SHARDLAKE_TRACEBACK="1")
    assert "Traceback" in loud.stderr
    shop.must_sync()
