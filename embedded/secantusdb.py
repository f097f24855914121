"""SecantusDB, a server that speaks MongoDB's protocol: the collections. It comes as a wheel, with the storage engine inside.

    with obtain_secantusdb(folder) as server:
        server.client()["tenant_00"]["orders"].insert_one({"status": "paid"})

Its one user, `root`, has the password that `password` says; the server listens on the loopback only.
"""

import secrets
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pymongo import MongoClient

from embedded.loopback import HOST, free_port
from embedded.machine import Machine, Unavailable, Way, first_that_works
from embedded.server import Server

URL_VARIABLE = "SHARDLAKE_TEST_MONGODB_URL"


@dataclass(kw_only=True, eq=False)
class SecantusDB(Server):
    """A SecantusDB of ours, with a `home`, or a MongoDB that a URL led to. `open` is one that asks for no password, `durable` one
    that has on disk what it has answered: any other loses its last moments where it is killed.
    """

    host: str = HOST
    port: int
    user: str = "root"
    password: str = field(default="", repr=False)
    home: Path | None = None
    open: bool = False
    durable: bool = False
    seconds_to_start: float = 60
    label = "SecantusDB"

    def url(self, database: str = "") -> str:
        """`mongodb://user@host:port/database`, without the password."""
        return f"mongodb://{f'{self.user}@' if self.user else ''}{self.host}:{self.port}/{database}"

    def client(self, **options: Any) -> "MongoClient[dict[str, Any]]":
        """A client as root; `options` are pymongo's."""
        login = {} if self.open or not self.user else {"username": self.user, "password": self.password}
        defaults: dict[str, Any] = {"directConnection": True, "uuidRepresentation": "standard", "serverSelectionTimeoutMS": 10_000}
        return MongoClient(self.host, self.port, **{**defaults, **login, **options})

    def ping(self) -> None:
        with self.client(serverSelectionTimeoutMS=500, socketTimeoutMS=2_000) as client:
            client.admin.command("ping")

    def command(self) -> list[str]:
        words = [sys.executable, "-m", "secantus", "--host", HOST, "--port", str(self.port), "--log-level", "ERROR"]
        return [
            *words,
            "--storage-path",
            f"{self.home}/data",
            *([] if self.open else ["--auth"]),
            *(["--sync-on-commit"] if self.durable else []),
        ]


def obtain_secantusdb(
    folder: Path, *, durable: bool = False, machine: Machine | None = None, say: Callable[[str], None] = print
) -> SecantusDB:
    """A SecantusDB, not yet started, with its data in `folder/secantusdb`; NoServer if none can be had."""
    machine = machine or Machine()

    def from_url() -> SecantusDB:
        url = machine.environ.get(URL_VARIABLE)
        if not url:
            raise Unavailable("not set")
        parts = urlsplit(url)
        return SecantusDB(
            host=parts.hostname or HOST, port=parts.port or 27017, user=unquote(parts.username or ""),
            password=unquote(parts.password or ""), seconds_to_start=5,
        )  # fmt: skip

    def from_wheel() -> SecantusDB:
        if find_spec("secantus") is None:
            raise Unavailable("not installed")
        return _ours(folder / "secantusdb", durable, say)

    return first_that_works(
        "SecantusDB or MongoDB",
        [
            Way(f"a URL in {URL_VARIABLE}, as mongodb://user:password@host:port", from_url),
            Way("the wheel secantusdb, which `make setup` installs", from_wheel),
        ],
    )


def _ours(home: Path, durable: bool, say: Callable[[str], None]) -> SecantusDB:
    """One whose user is made while it asks for no password: it knows no other way."""
    home.mkdir(parents=True, exist_ok=True)
    password, kept = secrets.token_urlsafe(18), home / "password"
    server = SecantusDB(port=free_port(), home=home, password=password, durable=durable)
    if kept.exists():
        server.password = kept.read_text()
        return server
    say(f"making {server.label} in {home}")
    with SecantusDB(port=server.port, home=home, open=True, durable=True) as first, first.client() as client:
        client.admin.command("createUser", "root", pwd=password, roles=["root"])
    kept.write_text(password)
    return server
