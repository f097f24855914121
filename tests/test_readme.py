"""Every command that the README and the first steps show is run as it stands there, on real shards."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.world import ORDERS_TABLE, ROOT, World, WorldMaker


def commands(page: str) -> list[str]:
    """The commands of a page's sh blocks, but for make's."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL)
    return [line.strip() for block in blocks for line in block.splitlines() if line.strip() and not line.startswith("make ")]


def shop(world: WorldMaker) -> World:
    """Two shards with an order each, and the reader's connections.yaml, whose passwords are references; no view yet."""
    w = world(["shop_00", "shop_01"])
    w.on_all(ORDERS_TABLE)
    for number, shard in enumerate(w.shards):
        w.on(shard, "INSERT INTO orders VALUES (%s, 'new', 1.5, '2026-01-01', '{\"customer\": {\"name\": \"Ada\"}}')", number)
    connections = w.connections()
    connections["mysql-shards/shop"]["password"] = "${SHOP_PASSWORD}"
    connections["postgres-warehouse/main"]["password"] = "${WAREHOUSE_PASSWORD}"
    (w.folder / "shop").mkdir()
    (w.folder / "shop" / "connections.yaml").write_text(yaml.safe_dump(connections))
    return w


def tell(w: World, story: list[str]) -> str:
    """Run the commands in their order, in one shell; passwords are typed. Returns what they printed."""
    given = w.connections()
    typed = f"{given['mysql-shards/shop']['password']}\n{given['postgres-warehouse/main']['password']}\n"
    environment = {k: v for k, v in w.environment().items() if not k.startswith("SHARDLAKE_")}
    (w.folder / ".venv").mkdir()
    (w.folder / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    script = "set -e\n" + "\n".join(story)
    done = subprocess.run(
        ["bash", "-c", script], cwd=w.folder, env=environment, input=typed, capture_output=True, text=True, timeout=420, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


ARRIVED = [(0, "new", "1.50", "Ada", "shop_00"), (1, "new", "1.50", "Ada", "shop_01")]


@pytest.mark.timeout(450)
def test_the_readmes_first_view_works_as_it_stands(world: WorldMaker) -> None:
    story = commands("README.md")
    assert [c.split()[1] for c in story if c.startswith("shardlake ")] == ["discover", "check", "plan", "run", "run", "status", "rejects"]
    w = shop(world)
    said = tell(w, story)
    assert w.target("id, status, amount::text, customer_name, _shard") == ARRIVED
    assert "1 views, 0 problems" in said


@pytest.mark.timeout(450)
def test_the_first_steps_work_as_they_stand(world: WorldMaker) -> None:
    story = commands("docs/first-steps.md")
    verbs = {c.split()[1] for c in story if c.startswith("shardlake ")}
    assert verbs >= {"discover", "check", "plan", "run", "status", "rejects", "replay", "backfill", "query", "lake", "compact", "sweep"}
    w = shop(world)
    tell(w, story)
    assert w.target("id, status, amount::text, customer_name, _shard") == ARRIVED


def test_every_file_that_the_architecture_names_is_there() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    named = set(re.findall(r"\]\(([A-Za-z][^):]*)\)", text)) | {
        n.split(":")[0] for n in re.findall(r"`((?:flows|shardlake|bench|tasks|blocks|deployments|examples)/[^` ]+)`", text)
    }
    assert named
    assert [n for n in sorted(named) if not (ROOT / n).exists()] == []
