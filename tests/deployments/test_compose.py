"""compose.yaml as a file: no Docker engine is asked. What it starts and how it is reached, kept up, kept small and kept secret.

What its services run when they make their data is run here, on a real MariaDB and a real Postgres.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest
import yaml

from embedded.mariadb import obtain_mariadb
from embedded.postgres import obtain_postgres
from shardlake import parallelism
from shardlake.connection.connection_file import connection_names, load_connection
from tests.world import ROOT

TEXT = (ROOT / "compose.yaml").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ENDS = {"lake-bucket", "shardlake"}
"""Services that do their work and end; the others stay and say how they are."""
SECRET = re.compile(r"PASSWORD|SECRET|ACCESS_KEY")
ODD = 'it\'s a \\ "password"'


def test_every_service_that_stays_has_a_health_check_and_comes_back() -> None:
    for name, service in SERVICES.items():
        if name in ENDS:
            assert service["depends_on"], name
        else:
            assert service["healthcheck"]["test"], name
            assert service["restart"] == "unless-stopped", name


def test_services_wait_for_others_by_a_condition_that_those_can_meet() -> None:
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            wanted = "service_completed_successfully" if other in ENDS else "service_healthy"
            assert how == {"condition": wanted}, f"{name} on {other}"


def test_every_service_has_a_bound_on_memory_and_time_to_stop() -> None:
    assert [name for name, service in SERVICES.items() if not service.get("mem_limit")] == []
    quick = {"lake", "lake-bucket"}  # MinIO writes nothing back when it is stopped
    assert {name for name, service in SERVICES.items() if not service.get("stop_grace_period")} == quick


def test_the_memory_of_the_worker_holds_all_runs_that_it_may_have_at_once() -> None:
    worker, given = SERVICES["worker"], (ROOT / "prefect.yaml").read_text("utf-8")
    queues = next(pool for pool in yaml.safe_load(given)["definitions"]["work_pools"] if pool["name"] == "shardlake-local")["queues"]
    runs = sum(queues[name]["concurrency_limit"] for name in ("runs", "backfills"))
    cores, size = (re.fullmatch(r"\$\{WORKER_(?:CPUS|MEMORY):-(\d+)g?\}", str(worker[key])) for key in ("cpus", "mem_limit"))
    assert cores
    assert size
    memory = int(size[1]) << 30
    small = 2 * parallelism._BASE  # the check, and the worker itself
    assert runs * taken(int(cores[1]), memory) + small <= memory
    for count, said in ((2, 480), (4, 572), (16, 1088)):
        assert taken(count, memory) >> 20 == said
        assert re.search(rf"\b{said}\b", TEXT), "the comment of the worker says what a run takes"


def taken(cores: int, memory: int) -> int:
    """Bytes of a run that may use so many cores and so much memory."""
    found = parallelism.parallelism(cores, memory)
    return parallelism._BASE + found.chains * parallelism._CHAIN + found.readers * parallelism._READER


def test_no_limit_of_the_worker_keeps_alarms_waiting_behind_views() -> None:
    assert not {"--limit", "--work-queue"} & set(SERVICES["worker"]["command"])


def test_every_image_has_a_tag_that_names_a_version() -> None:
    for name, service in SERVICES.items():
        image = service["image"]
        tag = image.split(":", 1)[1]
        assert tag not in {"", "latest"}, name
        assert re.search(r"\d", tag) or image == "shardlake:${SHARDLAKE_VERSION:-local}", name


def test_ports_are_open_on_this_machine_alone() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(ports) == 6
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_no_secret_is_written_down_and_each_must_be_given() -> None:
    wanted = set()
    for name, service in SERVICES.items():
        for key, value in service.get("environment", {}).items():
            if SECRET.search(key):
                found = re.fullmatch(r"\$\{(\w+):\?[^}]+\}", value)
                assert found, f"{name}: {key}"
                wanted.add(found[1])
        said = f"{service.get('command', '')}{service.get('entrypoint', '')}{service.get('healthcheck', '')}"
        said = re.sub(r"(?:export )?\w+=\"[^\"]*\"", "", said)  # the environment of a process, not its words
        assert re.findall(r"\$\{?\w*(?:PASSWORD|SECRET|KEY|USER)", said) == [], f"{name}: a secret in its words would be in `ps`"
    example = (ROOT / ".env.example").read_text("utf-8")
    assert {line.removesuffix("=") for line in example.splitlines() if not line.startswith("#")} == wanted
    assert subprocess.run(["git", "check-ignore", "-q", ".env"], cwd=ROOT, check=False).returncode == 0


def test_every_volume_is_named_and_every_file_is_there() -> None:
    mounted = [volume for service in SERVICES.values() for volume in service.get("volumes", [])]
    named = {volume.split(":")[0] for volume in mounted if not volume.startswith(".")}
    assert named == set(COMPOSE["volumes"])
    files = [volume for volume in mounted if volume.startswith(".")]
    assert all((ROOT / volume.split(":")[0]).exists() and volume.endswith(":ro") for volume in files)


@pytest.mark.parametrize("name", [name for name, service in SERVICES.items() if service["image"].startswith("shardlake:")])
def test_our_image_is_given_commands_that_it_has(name: str) -> None:
    service = SERVICES[name]
    words = [*service.get("entrypoint", []), *service["command"]]
    program = Path(sys.executable).parent / words[0]
    assert program.exists()
    verbs = [word for word in words[1:3] if not word.startswith("-")]
    shown = subprocess.run(
        [str(program), *verbs, "--help"], capture_output=True, text=True, timeout=120, env={"COLUMNS": "200", "PATH": ""}
    )
    assert shown.returncode == 0, shown.stderr
    for option in [word for word in words if word.startswith("--") and word != "--help"]:
        assert re.search(rf"{option}\b", shown.stdout), option


def test_our_services_write_nothing_outside_their_volume() -> None:
    for name, service in SERVICES.items():
        if service["image"].startswith("shardlake:"):
            assert service["read_only"], name
            assert service["cap_drop"] == ["ALL"], name
            assert any(volume.endswith(":/scratch") for volume in service["volumes"]), name


def test_the_connections_are_the_views_and_lead_to_the_services(monkeypatch: pytest.MonkeyPatch) -> None:
    file = ROOT / "deployments" / "compose-connections.yaml"
    references = set(re.findall(r"\$\{(\w+)\}", file.read_text("utf-8").split("\n", 1)[1]))
    assert references <= set(SERVICES["worker"]["environment"])
    for name in references:
        monkeypatch.setenv(name, "a-value-of-this-test")
    assert connection_names(file) == connection_names(ROOT / "deployments" / "connections.yaml")
    for reference in connection_names(file):
        load_connection(file, reference)
    hosts = set(re.findall(r"://(?:\w+@)?([\w-]+):(\d+)", file.read_text("utf-8")))
    assert {host for host, _ in hosts} == {"shard-00", "shard-01", "warehouse", "lake"}
    assert {host for host, _ in hosts} <= set(SERVICES)


def test_prefects_server_takes_its_own_postgres_from_what_it_is_given() -> None:
    given = {k: re.sub(r"\$\{\w+:[?-]([^}]*)\}", "filled", v) for k, v in SERVICES["prefect"]["environment"].items()}
    code = (
        "from prefect.settings import get_current_settings as now; s = now();"
        "print(s.server.database.connection_url.get_secret_value(), s.server.ui.api_url)"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")} | given
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=environment, check=False)
    assert done.stdout.split() == ["postgresql+asyncpg://prefect:filled@prefect-database:5432/prefect", "http://127.0.0.1:filled/api"], (
        done.stderr
    )


def test_prefects_server_copies_its_pages_to_a_folder_that_it_may_write() -> None:
    service = SERVICES["prefect"]
    given = {k: v for k, v in service["environment"].items() if "UI_STATIC" in k}
    code = "from prefect.settings import PREFECT_UI_STATIC_DIRECTORY as at; print(at.value())"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")} | given
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=environment, check=False)
    folder = Path(done.stdout.strip())
    mounted = [volume.split(":") for volume in service.get("volumes", [])]
    writable = [Path(parts[1]) for parts in mounted if parts[2:] != ["ro"]] + [Path(path) for path in service.get("tmpfs", [])]
    assert any(folder.is_relative_to(place) for place in writable), done.stdout + done.stderr


def test_prefects_server_forgets_what_is_old() -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    given = {k: v for k, v in SERVICES["prefect"]["environment"].items() if "VACUUM" in k or "RETENTION" in k}
    code = (
        "from prefect.settings import get_current_settings as now; s = now().server; v = s.services.db_vacuum;"
        "print(sorted(v.enabled), v.retention_period.days, s.events.retention_period.days, *v.event_retention_overrides.items())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=environment | given, check=False)
    assert done.stdout.strip() == ("['events', 'flow_runs'] 30 3 ('prefect.flow-run.heartbeat', datetime.timedelta(days=1))"), (
        done.stdout + done.stderr
    )


def test_the_shards_reader_reads_and_writes_nothing(tmp_path: Path) -> None:
    script = ROOT / "deployments" / "compose" / "shard.sh"
    words = ["bash", "-ec", f'docker_process_sql() {{ cat; }}; . "{script}"']
    environment = {"PATH": os.environ["PATH"], "SHOP_PASSWORD": ODD, "MYSQL_DATABASE": "shop_00"}
    statements = subprocess.run(words, env=environment, capture_output=True, text=True, check=True).stdout
    with obtain_mariadb(tmp_path / "mariadb") as server:
        server.execute("CREATE DATABASE shop_00")
        server.execute("CREATE TABLE orders (id int PRIMARY KEY)", database="shop_00")
        for statement in statements.split(";"):
            if statement.strip():
                server.execute(statement)
        connection = pymysql.connect(host=server.host, port=server.port, user="reader", password=ODD, database="shop_00")
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM orders")
            assert cursor.fetchall() == ((0,),)
            with pytest.raises(pymysql.err.OperationalError, match="INSERT command denied"):
                cursor.execute("INSERT INTO orders VALUES (1)")
            cursor.execute("SHOW GRANTS")
            grants = sorted(re.sub(r" IDENTIFIED.*", "", str(row[0])) for row in cursor.fetchall())
    assert grants == ["GRANT PROCESS ON *.* TO `reader`@`%`", "GRANT SELECT ON `shop_00`.* TO `reader`@`%`"]


def test_the_warehouses_loader_makes_schemas_and_is_no_superuser(tmp_path: Path) -> None:
    with obtain_postgres(tmp_path / "postgres") as server:
        psql = server.programs / "psql" if server.programs else Path("psql")
        if not psql.exists():
            pytest.skip("no psql here")
        server.createdb("analytics")
        script = ROOT / "deployments" / "compose" / "warehouse.sql"
        words = [str(psql), "--no-psqlrc", "--set=ON_ERROR_STOP=1", f"--file={script}", server.url(database="analytics")]
        subprocess.run(words, env=os.environ | {"WAREHOUSE_PASSWORD": ODD}, check=True, capture_output=True, timeout=60)
        with psycopg.connect(server.url(database="analytics"), user="loader", password=ODD, autocommit=True) as connection:
            connection.execute("CREATE SCHEMA shardlake")
            connection.execute("CREATE TABLE shardlake.runs (id int)")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("CREATE ROLE another")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("COPY (SELECT 1) TO PROGRAM 'true'")
            found = connection.execute("SELECT rolsuper, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = current_user").fetchone()
    assert found == (False, False, False)


def test_the_lakes_user_may_do_what_the_manual_lists_on_one_bucket() -> None:
    policy = json.loads((ROOT / "deployments" / "compose" / "lake-policy.json").read_text("utf-8"))["Statement"]
    grants = (ROOT / "docs" / "reference" / "grants.md").read_text("utf-8")
    line = next(line for line in grants.splitlines() if line.startswith("| lake on S3 |"))
    assert {action for s in policy for action in s["Action"]} == set(re.findall(r"`(s3:\w+)`", line))
    assert {resource for s in policy for resource in s["Resource"]} == {"arn:aws:s3:::lake", "arn:aws:s3:::lake/shardlake/*"}
    assert SERVICES["lake"]["environment"]["MINIO_ROOT_PASSWORD"] not in SERVICES["worker"]["environment"].values()
    done = subprocess.run(["sh", "-n", str(ROOT / "deployments" / "compose" / "lake.sh")], check=False)
    assert done.returncode == 0
