"""What all commands share: help that teaches, the user's own folder and file, and errors as one message."""

from __future__ import annotations

import pytest

from tests.world import World, WorldMaker

COMMANDS = ("run", "plan", "check", "discover", "status", "rejects", "replay")


@pytest.fixture
def shop(world: WorldMaker) -> World:
    return world()


def test_the_help_names_every_command_and_where_to_begin(shop: World) -> None:
    done = shop.command("--help", COLUMNS="100")
    assert (done.returncode, done.stderr) == (0, "")
    text = " ".join(done.stdout.split())
    assert [command for command in COMMANDS if f"│ {command} " not in text] == []
    assert "Begin with shardlake discover CONNECTION TABLE, which drafts one; then check, plan, run, status." in text
    assert "SHARDLAKE_VIEWS" in text
    assert "SHARDLAKE_CONNECTIONS" in text
    bare = shop.command(COLUMNS="100")
    assert "Usage: shardlake" in bare.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_has_an_example_and_explains_every_option(shop: World, command: str) -> None:
    done = shop.command(command, "--help", COLUMNS="120")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert [line for line in lines if line.startswith("shardlake ") and f" {command}" in line], done.stdout
    options = [line.strip("│ ") for line in lines if line.startswith("│ --")]
    assert options
    assert [line for line in options if len(line.split()) < 4] == []


def test_the_users_own_folder_and_file_come_by_option_or_by_environment_and_the_option_wins(shop: World) -> None:
    shop.write_files()
    views, connections = str(shop.folder / "views"), str(shop.folder / "connections.yaml")
    by_option = shop.command(
        "--views", views, "--connections", connections, "check", SHARDLAKE_VIEWS="/nowhere", SHARDLAKE_CONNECTIONS="/nowhere.yaml"
    )
    assert (by_option.returncode, by_option.stdout) == (0, "1 views, 0 problems\n")
    by_environment = shop.command("check")
    assert (by_environment.returncode, by_environment.stdout) == (0, "1 views, 0 problems\n")
    by_default = shop.command("--connections", connections, "check", SHARDLAKE_VIEWS="", SHARDLAKE_CONNECTIONS="")
    assert (by_default.returncode, by_default.stdout) == (0, "1 views, 0 problems\n")


def test_errors_are_one_message_on_standard_error(shop: World) -> None:
    shop.write_files()
    for words, message in (
        (["--views", "/nowhere", "check"], "SpecError /nowhere is not a folder. Name the folder of your views with --views or SHARDLAKE_VIEWS; `shardlake discover CONNECTION TABLE` drafts a first one.\n"),
        (["--views", ".", "status"], "SpecError . holds no view: no folder in it has a view.yaml. Name the folder of your views with --views or SHARDLAKE_VIEWS; `shardlake discover CONNECTION TABLE` drafts a first one.\n"),
        (["--connections", "/nowhere.yaml", "plan", "orders"], "SpecError /nowhere.yaml: No such file or directory. Check the path.\n"),
        (["discover", "postgres-warehouse/main", "orders"], "SpecError postgres-warehouse/main is a postgres-warehouse, which cannot be a source. Name one of these: mysql-shards, postgres-shards, s3-files, mongodb, dynamodb.\n"),
        (["discover", "mysql-shards/nobody", "orders"], f"SpecError {shop.folder / 'connections.yaml'} has no connection 'mysql-shards/nobody'; there are: mysql-shards/shop, postgres-warehouse/main, athena-lake/main. Add it, or correct the view.\n"),
    ):  # fmt: skip
        done = shop.command(*words)
        assert (done.returncode, done.stdout, done.stderr) == (1, "", message)


def test_a_word_that_is_no_command_or_option_ends_with_2_and_points_to_the_help(shop: World) -> None:
    for words in (["rnu"], ["run"], ["status", "--jsno"]):
        done = shop.command(*words)
        assert (done.returncode, done.stdout) == (2, "")
        assert "--help" in done.stderr
        assert "Traceback" not in done.stderr
