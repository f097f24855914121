"""Passwords show nowhere: not in what a run prints, raises, writes or keeps, not in any repr, and in no process's list.

`tests/flows/test_secrets.py` asks the same of Prefect and of the command.
"""

from __future__ import annotations

import json
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import psutil
import pytest

from shardlake.connection.connection_file import load_connection
from shardlake.connection.kinds import Connection
from shardlake.connection.postgres import conninfo
from shardlake.errors import ShardlakeError, SpecError
from shardlake.raw.files import RawTarget
from shardlake.source.sql.dialects import dialect
from shardlake.source.sql.read import Request
from shardlake.source.sql.source import SqlSource
from shardlake.source.sql.window import Window
from tests.breaking import broken_at
from tests.world import ORDERS_TABLE, World, orders_view

SHARDS, OVERRIDE, WAREHOUSE, WRONG = "cänary-1 @/:%40#?", "canary-2'\\\"", "canary-3 =&;$x", "canary-4"
ALL = (SHARDS, OVERRIDE, WAREHOUSE, WRONG)
SPELT: tuple[Callable[[str], str], ...] = (
    str,
    lambda p: quote(p, safe=""),
    quote,
    quote_plus,
    lambda p: json.dumps(p)[1:-1],
    lambda p: repr(p)[1:-1],
)


def shown(text: str | bytes) -> list[str]:
    """The passwords that stand in a text, in any of their spellings."""
    data = text if isinstance(text, bytes) else text.encode()
    return sorted({password for password in ALL for spell in SPELT if spell(password).encode() in data})


@dataclass
class Guarded(World):
    """A world whose servers have passwords; connections.yaml refers to files that hold them."""

    main_changes: dict[str, Any] = field(default_factory=dict)

    def guard(self) -> None:
        files = {"shop": SHARDS, "override": OVERRIDE, "main": WAREHOUSE, "wrong": WRONG}
        for name, password in files.items():
            (self.folder / f"{name}.secret").write_text(password + "\n")
        for user, password in ((self.prefix, SHARDS), (self.prefix + "o", OVERRIDE)):
            self.source.execute(f"CREATE USER {user} IDENTIFIED BY %s", password)
            self.source.execute(f"GRANT SELECT, PROCESS ON *.* TO {user}")
        quoted = WAREHOUSE.replace("'", "''")
        self.warehouse(f"CREATE ROLE {self.prefix} SUPERUSER LOGIN PASSWORD '{quoted}'")

    def connections(self) -> dict[str, dict[str, Any]]:
        found = super().connections()
        shop, main = found["mysql-shards/shop"], found["postgres-warehouse/main"]
        shop["shards"] = {shard: url.replace("//root@", f"//{self.prefix}@") for shard, url in shop["shards"].items()}
        other = {
            "url": shop["shards"][self.shards[-1]].replace(f"//{self.prefix}@", f"//{self.prefix}o@"),
            "password": self._secret("override"),
        }
        shop |= {"password": self._secret("shop"), "overrides": {self.shards[-1]: other}, **self.connection_changes}
        main |= {"password": self._secret("main"), "url": main["url"].replace("//postgres@", f"//{self.prefix}@"), **self.main_changes}
        return found

    def _secret(self, name: str) -> str:
        return f"${{file:{self.folder}/{name}.secret}}"

    def connect(self, reference: str) -> Connection:
        self.write_files()
        return load_connection(self.folder / "connections.yaml", reference)


@pytest.fixture
def guarded(mariadb: Any, postgres: Any, tmp_path: Path) -> Iterator[Guarded]:
    w = Guarded(mariadb, postgres, tmp_path, ["shop_00", "shop_01"])
    w.guard()
    w.on_all(ORDERS_TABLE)
    w.on("shop_00", "INSERT INTO orders VALUES (1, 'new', 1, '2026-01-02', NULL), (2, 'bad', 1, '2026-01-02', '{')")
    w.on("shop_01", "INSERT INTO orders VALUES (3, 'new', 1, '2026-01-02', NULL)")
    yield w
    w.close()


def kept(w: World) -> str:
    """All that the warehouse keeps, row by row, and how its own sessions are called."""
    tables = w.warehouse(
        "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname IN ('shardlake', 'shardlake_staging', 'analytics')"
    )
    rows = [row for (table,) in tables for row in w.warehouse(f"SELECT to_jsonb(t)::text FROM {table} t")]
    return str(rows + w.warehouse("SELECT application_name, query FROM pg_stat_activity"))


def files(folder: Path) -> bytes:
    """All that lies in the world's folder, but for the secrets themselves."""
    return b"\n".join(path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".secret")


@contextmanager
def watched(folder: Path) -> Iterator[dict[str, set[str]]]:
    """The command lines and environments of all processes of a run in this folder, by what they are."""
    seen: dict[str, set[str]] = {}
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            for process in psutil.Process().children(recursive=True):
                try:
                    root = Path(f"/proc/{process.pid}")
                    command, environ = root.joinpath("cmdline").read_bytes(), root.joinpath("environ").read_bytes()
                except OSError:
                    continue
                if str(folder).encode() in environ:
                    kind = "reader" if b"forkserver" in command or b"spawn_main" in command else "main"
                    seen.setdefault(kind, set()).add((command + b"\n" + environ).decode("utf-8", "replace"))
            time.sleep(0.005)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def test_no_password_shows_in_what_a_run_prints_writes_or_keeps_nor_in_its_processes(guarded: Guarded) -> None:
    with watched(guarded.folder) as processes:
        good = guarded.engine_process()
        guarded.on("shop_00", "UPDATE orders SET updated_at = utc_timestamp(6)")
        bug = guarded.engine_process(SHARDLAKE_FAILPOINT="window.opened=error")
    assert good.returncode == 0, good.stderr
    assert "RuntimeError: failpoint window.opened" in bug.stderr
    assert guarded.target("id") == [(1,), (3,)]
    assert [row[2] for row in guarded.rejects()] == ["payload"]
    assert {"main", "reader"} <= set(processes)
    for text in (good.stdout, good.stderr, bug.stdout, bug.stderr, *processes["main"], *processes["reader"], kept(guarded)):
        assert shown(text) == []
    assert shown(files(guarded.folder)) == []


def _wrong_password(w: Guarded) -> None:
    w.connection_changes = {"overrides": {"shop_01": {"password": w._secret("wrong")}}}


def _closed_port(w: Guarded) -> None:
    w.connection_changes = {"overrides": {"shop_01": {"url": f"mysql://{w.prefix}@127.0.0.1:1/none"}}}


def _no_database(w: Guarded) -> None:
    w.connection_changes = {"overrides": {"shop_01": {"url": f"mysql://{w.prefix}@{w.source.host}:{w.source.port}/none"}}}


def _no_table(w: Guarded) -> None:
    w.on("shop_01", "DROP TABLE orders")


def _no_column(w: Guarded) -> None:
    w.on("shop_01", "ALTER TABLE orders DROP COLUMN amount")


def _statement_fails(w: Guarded) -> None:
    w.view = {
        **orders_view(),
        "sql_text": "SELECT o.*, (SELECT id FROM orders UNION SELECT id + 1 FROM orders) AS x FROM orders o WHERE id = 3",
    }
    w.view["source"] = {**w.view["source"], "sql": "extract.sql"}
    del w.view["source"]["table"]
    w.view["columns"]["x"] = "bigint"


def _tls_refused(w: Guarded) -> None:
    w.connection_changes = {"tls": {"mode": "required"}}


def _raw_store(w: Guarded) -> None:
    (w.folder / "lake").write_text("a file")


def _target_narrower(w: Guarded) -> None:
    w.warehouse("CREATE SCHEMA analytics")
    w.warehouse("CREATE TABLE analytics.orders (id jsonb)")
    w.warehouse("INSERT INTO analytics.orders VALUES ('7')")


def _no_grant(w: Guarded) -> None:
    w.source.execute(f"REVOKE ALL PRIVILEGES ON *.* FROM {w.prefix}")


FAILURES = (
    _wrong_password, _closed_port, _no_database, _no_table, _no_column, _statement_fails, _tls_refused, _raw_store, _target_narrower, _no_grant,
)  # fmt: skip


@pytest.mark.parametrize("fail", FAILURES, ids=lambda f: f.__name__.strip("_"))
def test_no_password_shows_in_a_failure(
    guarded: Guarded,
    fail: Callable[[Guarded], None],
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("shardlake.run.threads.PAUSES", (0.0, 0.0))
    caplog.set_level("DEBUG")
    fail(guarded)
    report = guarded.sync()
    assert not report.ok
    out, err = capfd.readouterr()
    for text in (report.headline(), repr(report), json.dumps(report.as_json()), out, err, caplog.text, kept(guarded)):
        assert shown(text) == []
    assert shown(files(guarded.folder)) == []


def test_no_password_shows_in_what_a_run_that_cannot_begin_raises(guarded: Guarded) -> None:
    raised: dict[str, str] = {}
    closed, inside = f"postgresql://{guarded.prefix}@127.0.0.1:1/x", f"postgresql://u:{quote(WAREHOUSE)}@h/d"
    for change in ({"password": guarded._secret("wrong")}, {"url": closed}, {"url": inside}, {"port": 5432}):
        guarded.main_changes = change
        with pytest.raises(ShardlakeError) as error:
            guarded.sync()
        raised[next(iter(change.values()))] = type(error.value).__name__
        assert shown("".join(traceback.format_exception(error.value)) + repr(error.value)) == []
    guarded.main_changes = {}
    assert list(raised.values()) == ["AccessRefused", "WarehouseUnavailable", "SpecError", "SpecError"]


def test_no_password_shows_in_a_traceback_of_a_bug(guarded: Guarded) -> None:
    with broken_at("merge.cast"), pytest.raises(RuntimeError) as error:
        guarded.sync()
    assert shown("".join(traceback.format_exception(error.value))) == []
    assert shown(kept(guarded)) == []


def test_no_password_shows_in_the_repr_of_what_holds_it(guarded: Guarded) -> None:
    job = guarded.job()
    source = job.source
    assert isinstance(source, SqlSource)
    shard = source.shard("shop_01")
    assert (source.shard("shop_00").password, shard.password, job.ledger.shard.password) == (SHARDS, OVERRIDE, WAREHOUSE)  # it is there
    request = Request(job.view, shard, Window(None, None, None, "key"), RawTarget(job.lake, "raw", 1, 1))
    holders = [job, job.supply, source, source.spec, shard, job.ledger, job.ledger.spec, job.lake, request]
    for holder in holders:
        assert shown(f"{holder!r} {holder!s} {holder}") == []
    for spec in (source.spec, job.ledger.spec):
        assert shown(spec.model_dump_json()) == []
    assert set(spec_secrets := (*source.spec.secrets(), *job.ledger.spec.secrets())) == {SHARDS, OVERRIDE, WAREHOUSE}, spec_secrets
    assert shown(dialect("mysql").url(shard)) == [OVERRIDE]  # these two are for drivers alone
    assert shown(str(conninfo(job.ledger.shard))) == [WAREHOUSE]


@pytest.mark.parametrize(
    "content",
    [
        {"shards": ["mysql://u@h/a"], "password": SHARDS, "pasword": WRONG},
        {"shards": ["mysql://u@h/a"], "password": [SHARDS]},
        {"shards": [f"mysql://u:{WRONG}@h/a"]},
        {"url": "mysql://u@h/a", "shards": ["mysql://u@h/a"], "password": SHARDS},
        {"shards": ["mysql://u@h/a"], "password": SHARDS, "overrides": {"a": {"password": {"x": OVERRIDE}}}},
        {"shards": ["mysql://u@h/a"], "password": SHARDS, "overrides": {"b": {"password": OVERRIDE}}},
    ],
)
def test_no_password_shows_in_what_is_wrong_with_a_connection_file(tmp_path: Path, content: dict[str, Any]) -> None:
    path = tmp_path / "connections.yaml"
    path.write_text(json.dumps({"mysql-shards/shop": content}))
    with pytest.raises(SpecError) as error:
        load_connection(path, "mysql-shards/shop")
    assert shown("".join(traceback.format_exception(error.value)) + repr(error.value)) == []
    assert str(path) in str(error.value)
