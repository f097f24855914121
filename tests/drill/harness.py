"""A fleet to do harm to: a real server and worker, a listener that is told, and what must hold whatever was done to them."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil

from demo.servers import SHARDS, DemoServers, demo_servers
from demo.up import prepare
from embedded.listener import BLOCK, SAVE_BLOCK, Listener
from embedded.postgres import obtain_postgres
from embedded.prefect_server import PrefectServer
from embedded.prefect_worker import PrefectWorker
from tests.fleet import Fleet, on_postgres
from tests.stopping import alive, in_time

HANGS = SHARDS[-1]
"""The shard that is on a server of its own."""
SILENCE = 40
"""Seconds that a run may be silent here; Prefect has it beat every 30 at the most often."""
QUICK = {"PREFECT_SERVER_SERVICES_FOREMAN_LOOP_SECONDS": "1", "PREFECT_SERVER_EVENTS_PROACTIVE_GRANULARITY": "PT1S"}
"""The server's own timings, so that a worker that is gone is missed within seconds."""
BEATS = {"PREFECT_WORKER_HEARTBEAT_SECONDS": "2"}
ROWS = 9000
"""Rows that a shard has."""
HOLD = """
    CREATE FUNCTION public.hold() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_advisory_xact_lock_shared(4242); RETURN NEW; END $$;
    CREATE FUNCTION public.hold_staging() RETURNS event_trigger LANGUAGE plpgsql AS $$ DECLARE made record; BEGIN
        FOR made IN SELECT * FROM pg_event_trigger_ddl_commands() WHERE command_tag = 'CREATE TABLE' AND schema_name = 'shardlake_staging' LOOP
            EXECUTE format('CREATE TRIGGER hold BEFORE INSERT ON %s FOR EACH ROW WHEN (right(NEW.id, 3) = ''500'') EXECUTE FUNCTION public.hold()',
                           made.object_identity);
        END LOOP; END $$;
    CREATE EVENT TRIGGER hold_staging ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION public.hold_staging();
"""
"""Has a COPY into staging wait in the middle while another session has the advisory lock 4242."""


class Drill(Fleet):
    """A fleet with a listener, and Prefect on Postgres, as where many use it; runs are such as the server's scheduler makes."""

    def __init__(self, folder: Path, prefect: PrefectServer, servers: DemoServers, environment: dict[str, str], listener: Listener) -> None:
        super().__init__(folder, prefect, servers, environment, worker=BEATS)
        self.listener, self.own = listener, environment | BEATS
        made = self.run("python", "-c", SAVE_BLOCK, listener.url)
        assert made.returncode == 0, made.stderr
        servers.warehouse.execute(HOLD, database="warehouse")
        for shard in SHARDS:  # rejects and rows of two shards with one key are others' tests
            servers.on(shard, f"DELETE FROM orders WHERE id > {ROWS * 3}")
        project = self.project
        project["deployments"] = [item for item in project["deployments"] if item["name"] == "check-freshness"]
        project["definitions"] |= {"notify": [BLOCK], "silence": SILENCE}
        self.write_project(project)

    def view(self, name: str = "orders", **changes: Any) -> None:
        """As of any fleet; shards are read in many small chunks, locks are waited for as long as tests hold them, and it is soon late."""
        source = {"connection": "postgres-shards/shop", "table": "orders", "primary_key": ["id"], "cursor": "updated_at"}
        warehouse = {"connection": "postgres-warehouse/main", "table": f"analytics.{name}", "key": ["id"], "lock_timeout": "10m"}
        whole = {"source": {**source, "lookback": "1m", "safety_lag": "1s", "chunk": 1}, "warehouse": warehouse, "freshness": "1m"}
        super().view(name, **whole | changes)

    # --- what goes in, and what is to come out --------------------------------------------------------------------------
    def change(self, *shards: str) -> None:
        """Change every row of shards, of all by default."""
        for shard in shards or SHARDS:
            self.servers.on(shard, "UPDATE orders SET status = 'at ' || clock_timestamp()::text, updated_at = now() AT TIME ZONE 'UTC'")

    def wanted(self) -> list[tuple[Any, ...]]:
        """The rows of all shards, as the view has them."""
        found: list[tuple[Any, ...]] = []
        for shard in SHARDS:
            rows = self.servers.of(shard).execute("SELECT id, status, amount, updated_at, payload FROM orders", database=shard)
            for *plain, updated_at, payload in rows:
                found.append((*plain, updated_at.replace(tzinfo=UTC), json.loads(payload)["customer"]["name"]))
        return sorted(found)

    def exact(self, table: str = "analytics.orders") -> None:
        """The table is what the shards have, to the row, and the ledger has nothing unfinished."""
        got = sorted(self.warehouse(f"SELECT id, status, amount, updated_at, customer_name FROM {table}"))
        wanted = self.wanted()
        assert len(got) == len(wanted) == ROWS * len(SHARDS)
        assert [pair for pair in zip(got, wanted, strict=True) if pair[0] != pair[1]][:3] == []
        assert self.warehouse("SELECT count(*) FROM shardlake.windows WHERE status = 'open'") == [(0,)]

    def until(self, what: Callable[[], Any], seconds: float = 420) -> Any:
        """As of any fleet; a machine that has much else to do is waited for."""
        return super().until(what, seconds)

    def ended(self, run_id: str, seconds: float = 420) -> tuple[str, str]:
        """As of any fleet, with that patience."""
        return super().ended(run_id, seconds)

    # --- runs and their processes ---------------------------------------------------------------------------------------
    def scheduled(self, name: str = "sync-view/orders", *, delay: float = 2) -> str:
        """A run that is due in a moment, as the server's scheduler makes one; its id."""
        made = self.due(name, datetime.now(UTC) + timedelta(seconds=delay))
        self.as_if_scheduled()
        return made

    def processes(self, run: str) -> list[psutil.Process]:
        """The processes of a run, its first one first."""
        return sorted((p for p in psutil.process_iter() if _of_run(p, run)), key=lambda p: (p.create_time(), p.pid))

    def started(self, run: str) -> list[psutil.Process]:
        """Wait for a run's processes."""
        found: list[psutil.Process] = self.until(lambda: self.processes(run))
        assert found, self.flow_run(run)["state"]
        return found

    def stop(self, run: str, how: signal.Signals = signal.SIGTERM) -> float:
        """Signal a run's first process, as a worker does and ECS; seconds until all are gone that it has then. It may come back meanwhile."""
        family = self.processes(run)
        began = time.monotonic()
        family[0].send_signal(how)
        left = alive(psutil.wait_procs(family, timeout=2 * in_time())[1])
        assert left == [], f"{how.name}: still there after {time.monotonic() - began:.0f} s: {[' '.join(p.cmdline())[-120:] for p in left]}"
        return time.monotonic() - began

    def readers(self) -> list[tuple[Any, ...]]:
        """Sessions on the shards, of others than the test: (shard, when it began, what it does)."""
        found: list[tuple[Any, ...]] = []
        for shard in SHARDS:
            found += self.servers.of(shard).execute(
                "SELECT datname, backend_start, left(query, 80) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
                database=shard,
            )
        return found

    def check(self) -> tuple[str, str]:
        """A run of check-freshness, as every five minutes; here its minute has come when a test says so. How it ended."""
        return self.ended(self.begin("check-freshness/check-freshness"))

    def came_back(self, since: datetime, seconds: float = 420, of: str = "sync-view/orders") -> dict[str, Any]:
        """Wait for a run of a view that completed after a time, which nobody ordered; it."""

        def completed() -> list[dict[str, Any]]:
            return [r for r in self.runs(of) if r["state"]["name"] == "Completed" and datetime.fromisoformat(r["end_time"]) > since]

        found = self.until(completed, seconds)
        assert found, [(r["name"], r["state"]["name"], r["state"]["message"]) for r in self.runs(of)]
        run: dict[str, Any] = found[-1]
        return run

    # --- what is told ---------------------------------------------------------------------------------------------------
    def forget(self) -> None:
        """Have no alarm be open: what is wrong from now on is news."""
        self.warehouse("UPDATE shardlake.alarms SET ended_at = now() WHERE ended_at IS NULL")

    def age(self, **ago: str) -> None:
        """Have the ledger's view orders be as old as after a while without runs: its rows' freshness, and its runs."""
        self.warehouse(f"UPDATE shardlake.positions SET complete_to = now() - interval '{ago.get('rows', '10 minutes')}'")
        if "watched" in ago:
            self.warehouse(
                f"INSERT INTO shardlake.watched VALUES ('orders', now() - interval '{ago['watched']}')"
                " ON CONFLICT (view) DO UPDATE SET since = excluded.since"
            )
        if "runs" in ago:
            self.warehouse(
                f"UPDATE shardlake.runs SET started_at = now() - interval '{ago['runs']}', ended_at = now() - interval '{ago['runs']}'"
            )

    def told(self, *words: str, since: int = 0, seconds: float = 420, checks: bool = True) -> str:
        """Wait until the listener was told a line with these words, and have freshness checked meanwhile; the line."""

        def said() -> list[str]:
            return self.listener.lines(*words, since=since)

        found = self.until(lambda: said() or (checks and self.check() and said()), seconds)
        assert found, self.listener.heard
        return str(found[0])

    # --- holds ----------------------------------------------------------------------------------------------------------
    @contextmanager
    def advisory(self) -> Iterator[None]:
        """Within, a COPY into staging waits in the middle."""
        with self.servers.warehouse.connect(database="warehouse") as connection, connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(4242)")
            yield

    def chunks(self) -> set[Path]:
        """The raw files of the last shard."""
        return {path for path in (self.folder / "lake").rglob("w*.parquet") if HANGS in str(path)}


@contextmanager
def hung(it: Drill) -> Iterator[Callable[[], bool]]:
    """Within, the last shard's server hangs as soon as a chunk of it was read; whether it does."""
    before, over, paused = it.chunks(), threading.Event(), threading.Event()

    def watch() -> None:
        while not over.wait(0.005):
            if it.chunks() - before:
                it.servers.of(HANGS).pause()
                paused.set()
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield paused.is_set
    finally:
        over.set()
        watcher.join()
        it.servers.of(HANGS).resume()


class OnlyAlarms(PrefectWorker):
    """A worker that takes checks of freshness, and nothing else."""

    def command(self) -> list[str]:
        return [*super().command(), "--work-queue", "alarms"]


def _of_run(process: psutil.Process, run: str) -> bool:
    try:
        return process.environ().get("PREFECT__FLOW_RUN_ID") == run and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


@contextmanager
def drill(folder: Path, prepared: Callable[[Drill], None] = lambda _: None, **changes: Any) -> Iterator[Drill]:
    """A drill whose view orders, with changes, has arrived once, and whose worker runs."""
    with ExitStack() as stack:
        servers = stack.enter_context(demo_servers(folder, "postgres"))
        database = stack.enter_context(obtain_postgres(folder / "prefect-database", settings={"fsync": "off"}))
        url = stack.enter_context(on_postgres(database))
        prefect = stack.enter_context(PrefectServer(folder, database=url, settings=QUICK))
        listener = stack.enter_context(Listener().listening())
        environment = prepare(servers, folder)
        connections = folder / "connections.yaml"
        connections.write_text(connections.read_text().replace("connect_timeout: 3s", "connect_timeout: 5m"))  # who hangs, hangs long
        it = Drill(folder, prefect, servers, environment, listener)
        it.database = database
        prepared(it)
        it.view(**changes)
        it.publish()
        stack.enter_context(it.worker)
        assert it.ended(it.begin("sync-view/orders")) == ("Completed", "3/3 shards merged")
        it.exact()
        yield it
