"""compose.yaml as a file: no Docker engine is asked. What it starts and how it is reached, kept up and kept secret."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from shardlake.connection.connection_file import connection_names, load_connection
from tests.world import ROOT

TEXT = (ROOT / "compose.yaml").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ENDS = {"lake-bucket", "shardlake"}
"""Services that do their work and end; the others stay and say how they are."""
SECRET = re.compile(r"PASSWORD|SECRET|ACCESS_KEY|ROOT_USER")


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
