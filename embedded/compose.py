"""Servers from compose.yaml, where a Docker daemon answers."""

import atexit
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from embedded.loopback import free_port
from embedded.machine import Machine, Unavailable

FILE = Path(__file__).with_name("compose.yaml")


def compose_up(machine: Machine, service: str, password: str, say: Callable[[str], None]) -> int:
    """Bring `service` up on a free port of ours and return the port; taken down when we exit."""
    docker = machine.find("docker")
    if docker is None:
        raise Unavailable("no docker here")
    try:
        _run([str(docker), "info"], {}, seconds=20)
        _run([str(docker), "compose", "version"], {}, seconds=20)
    except (subprocess.SubprocessError, OSError):
        raise Unavailable("`docker info` or `docker compose version` fails") from None

    port = free_port()
    settings = {"SHARDLAKE_PORT": str(port), "SHARDLAKE_PASSWORD": password}
    project = f"shardlake-{service}-{os.getpid()}"
    compose = [str(docker), "compose", "--file", str(FILE), "--project-name", project]
    say(f"starting {service} with docker compose on port {port}")
    atexit.register(_run, [*compose, "down", "--volumes"], settings, seconds=60)
    try:
        _run([*compose, "up", "--detach", "--wait", service], settings, seconds=600)
    except subprocess.CalledProcessError as error:
        raise Unavailable(f"docker compose up failed: {error.stdout.strip()}") from None
    return port


def _run(command: list[str], settings: dict[str, str], seconds: float) -> None:
    subprocess.run(
        command,
        env={**os.environ, **settings},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
        timeout=seconds,
    )
