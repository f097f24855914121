"""Every command that the README shows is run as it stands there, on real shards; make's targets are real ones."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.world import ORDERS_TABLE, ROOT, World, WorldMaker

README = (ROOT / "README.md").read_text("utf-8")
COMMANDS = [line.strip() for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) for line in block.splitlines() if line.strip()]


def test_the_readme_shows_commands() -> None:
    assert "make demo" in COMMANDS
    assert sum(c.startswith("shardlake ") for c in COMMANDS) >= 8


@pytest.mark.parametrize("command", sorted({c.strip("`") for c in re.findall(r"`make(?: [^`]*)?`|^make \w+$", README, re.MULTILINE)}))
def test_every_make_command_is_a_target(command: str) -> None:
    done = subprocess.run(["make", "-n", *shlex.split(command)[1:]], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.timeout(450)
def test_the_first_view_commands_run_in_their_order(world: WorldMaker) -> None:
    w: World = world(["shop_00", "shop_01"])
    w.on_all(ORDERS_TABLE)
    for number, shard in enumerate(w.shards):
        w.on(shard, "INSERT INTO orders VALUES (%s, 'new', 1.5, '2026-01-01', '{\"customer\": {\"name\": \"Ada\"}}')", number)
    w.write_files()
    (w.folder / "views" / "orders" / "view.yaml").unlink()
    environment = {k: v for k, v in w.environment().items() if not k.startswith("SHARDLAKE_")}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    story = "set -e\n" + "\n".join(c for c in COMMANDS if not c.startswith("make "))
    done = subprocess.run(["bash", "-c", story], cwd=w.folder, env=environment, capture_output=True, text=True, timeout=420)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert w.target("id, status, amount::text, customer_name, _shard") == [
        (0, "new", "1.50", "Ada", "shop_00"),
        (1, "new", "1.50", "Ada", "shop_01"),
    ]


def test_every_file_that_the_readme_and_architecture_name_is_there() -> None:
    text = README + (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    named = set(re.findall(r"\]\(([A-Za-z][^):]*)\)", text)) | {
        n.split(":")[0] for n in re.findall(r"`((?:flows|shardlake|bench|tasks|blocks|deployments|examples)/[^` ]+)`", text)
    }
    assert named
    assert [n for n in sorted(named) if not (ROOT / n).exists()] == []
