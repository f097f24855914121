"""This project and its peers, all in one form: what to start, and where its rows must be then."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bench import measure
from bench.endpoints import Job
from bench.peers import FIRST, FLAT, LOOKBACK, PEERS, PLAIN, SCENARIOS, Peer
from bench.peers.environments import python_of
from bench.seed import Digest, Digests
from bench.servers import PASSWORD, USER, Servers

HOUSE = Path(__file__).resolve().parent.parent
VIEWS = Path(__file__).with_name("views")
OURS = "shardlake"
OURS_AS_TEXT = "shardlake-text"

# As seed.digests has it, in Postgres's words: the same bytes hashed on both sides.
_PLAIN = "id, status, amount::numeric(12,2), to_char(updated_at, 'YYYY-MM-DD HH24:MI:SS.US')"
_FLAT = ", ".join([_PLAIN, *(f"coalesce({name}, '-')" for name in FLAT.removeprefix(PLAIN + ", ").split(", "))])
_DIGEST = """
SELECT count(*), coalesce(sum(('x' || left(md5(concat_ws('|', {columns})), 8))::bit(32)::bigint), 0)
FROM ({target}) AS target
"""


@dataclass(frozen=True)
class Contestant:
    """One that is measured. It is told of the job on standard input, or by a file of its own."""

    name: str
    about: str
    schemas: tuple[str, ...]
    target: str
    flattens: bool
    share: float
    scenarios: tuple[str, ...]
    makes_schemas: bool

    def command(self, servers: Servers, scenario: str) -> list[str]:
        raise NotImplementedError

    def stdin(self, servers: Servers, scenario: str) -> str:
        return ""

    def environment(self, servers: Servers) -> Mapping[str, str]:
        return {}

    def clear(self, servers: Servers) -> None:
        """Drop what it has in the warehouse, and what it keeps between runs."""
        for schema in self.schemas:
            servers.run_sql(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        shutil.rmtree(servers.warehouse(self.name).state, ignore_errors=True)

    def prepare(self, servers: Servers) -> None:
        """An empty warehouse and no memory of an earlier run."""
        self.clear(servers)
        Path(servers.warehouse(self.name).state).mkdir(parents=True)
        if not self.makes_schemas:
            for schema in self.schemas:
                servers.run_sql(f"CREATE SCHEMA {schema}")

    def run(self, servers: Servers, scenario: str, expected: Digests, log: Path) -> measure.Run:
        """One timed run, verified afterwards."""
        command = self.command(servers, scenario)
        stdin = self.stdin(servers, scenario)
        servers.run_sql("CHECKPOINT")
        run = measure.measured(command, stdin, self.environment(servers), HOUSE, log)
        return run if run.problem else replace(run, problem=self.difference(servers, expected))

    def difference(self, servers: Servers, expected: Digests) -> str | None:
        """What is wrong with the rows in its target; None if they are those of the shards."""
        wanted = expected.flat if self.flattens else expected.plain
        columns = _FLAT if self.flattens else _PLAIN
        rows, total = servers.run_sql(_DIGEST.format(columns=columns, target=self.target))[0]
        if rows != wanted.rows:
            return f"delivered {rows:,} of {wanted.rows:,} rows"
        if Digest(rows, int(total)) != wanted:
            return f"delivered {rows:,} rows, but other values than the shards hold"
        return None


@dataclass(frozen=True)
class PeerContestant(Contestant):
    """A peer, in its environment."""

    module: str
    python: Path

    def command(self, servers: Servers, scenario: str) -> list[str]:
        return [str(self.python), "-m", "bench.peers", self.module]

    def stdin(self, servers: Servers, scenario: str) -> str:
        source = replace(servers.source, reread=scenario == LOOKBACK)
        return Job(source, servers.warehouse(self.name), servers.rows).dumps()


@dataclass(frozen=True)
class Shardlake(Contestant):
    """This project. It reads a view and a connections file, as it does everywhere."""

    view: str = "orders"

    def command(self, servers: Servers, scenario: str) -> list[str]:
        state = Path(servers.warehouse(self.name).state)
        views = self._views(state, scenario)
        connections = state / "connections.yaml"
        connections.write_text(self._connections(servers, state), encoding="utf-8")
        return [
            sys.executable, "-m", "bench.ours", "--view", str(views / self.view),
            "--connections", str(connections), "--views", str(views), "--state", str(state),
        ]  # fmt: skip

    def environment(self, servers: Servers) -> Mapping[str, str]:
        return {
            "BENCH_SHARDS_PASSWORD": PASSWORD,
            "BENCH_WAREHOUSE_PASSWORD": servers.warehouse(self.name).password,
        }

    def _views(self, state: Path, scenario: str) -> Path:
        """The views; for a rerun of everything, with a lookback of ten years."""
        if scenario != LOOKBACK:
            return VIEWS
        text = (VIEWS / "orders" / "view.yaml").read_text(encoding="utf-8")
        changed = text.replace("lookback: 5m", "lookback: 3650d")
        assert changed != text, "bench/views/orders/view.yaml no longer says lookback: 5m"
        folder = state / "views"
        (folder / "orders").mkdir(parents=True, exist_ok=True)
        (folder / "orders" / "view.yaml").write_text(changed, encoding="utf-8")
        return folder

    def _connections(self, servers: Servers, state: Path) -> str:
        shards = servers.source.shards
        warehouse = servers.warehouse(self.name)
        first, last = shards[0].name, shards[-1].name
        pattern = f"shop_{{{first.removeprefix('shop_')}..{last.removeprefix('shop_')}}}"
        return f"""\
mysql-shards/shop:
  url: mysql://{USER}@{shards[0].host}:{shards[0].port}/{pattern}
  password: ${{BENCH_SHARDS_PASSWORD}}
postgres-warehouse/main:
  url: postgresql://{warehouse.user}@{warehouse.host}:{warehouse.port}/{warehouse.database}
  password: ${{BENCH_WAREHOUSE_PASSWORD}}
athena-lake/main:
  url: {state / "lake"}
s3-files/drops:
  url: {servers.source.drops}
"""


def names() -> list[str]:
    return [OURS, OURS_AS_TEXT, *(peer.name for peer in PEERS)]


def contestants(servers: Servers, chosen: set[str]) -> list[Contestant]:
    """Those chosen, ourselves first, each ready to start: environments are made here, untimed."""
    ours = Shardlake(
        OURS, "JSON flattened, one table, rejects and ledger kept", ("analytics", "shardlake"),
        f"SELECT {FLAT} FROM analytics.orders", flattens=True, share=1.0, scenarios=SCENARIOS,
        makes_schemas=True,
    )  # fmt: skip
    as_text = Shardlake(
        OURS_AS_TEXT, "the same with JSON left as text, as the peers leave it; first loads alone, since it shares our ledger",
        ("analytics", "shardlake"), f"SELECT {PLAIN} FROM analytics.orders_text", flattens=False, share=1.0,
        scenarios=(FIRST,), makes_schemas=True, view="orders_text",
    )  # fmt: skip
    peers = [peer_contestant(peer, servers) for peer in PEERS if peer.name in chosen]
    return [*(o for o in (ours, as_text) if o.name in chosen), *peers]


def peer_contestant(peer: Peer, servers: Servers) -> PeerContestant:
    """A peer as one that is measured. Its environment is made here where it is missing."""
    python = python_of(peer.requirements, servers.folder / "envs")
    return PeerContestant(
        peer.name, peer.about, peer.schemas, peer.target(servers.source.shards), peer.flattens,
        peer.share, peer.scenarios, makes_schemas=peer.name.startswith("dlt"),
        module=peer.module, python=python,
    )  # fmt: skip
