"""A container registry for tests, an emulator: what `docker pull` asks of one, over HTTP, with images that tests make up."""

from __future__ import annotations

import base64
import gzip
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


class FakeRegistry:
    """Blobs by digest and manifests by name. With `login` it asks for that user, with `bearer` for a token that the user gets."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, tuple[str, bytes]] = {}
        self.asked: list[str] = []
        self.login: tuple[str, str] | None = None
        self.bearer = False
        self.host = ""

    def push(
        self, tag: str, *layers: dict[str, bytes], revision: str | None = None, views: str = "/app/views", packed: bool = True,
        architecture: str = "amd64",
    ) -> str:  # fmt: skip
        """Make an image of layers, files by path, the lowest first; returns its digest."""
        described = [self._blob(_layer(files, packed), "application/vnd.oci.image.layer.v1.tar" + "+gzip" * packed) for files in layers]
        config = {"Env": [f"SHARDLAKE_VIEWS={views}"], "WorkingDir": "/app"}
        config |= {"Labels": {"org.opencontainers.image.revision": revision}} if revision else {}
        manifest = {
            "schemaVersion": 2, "mediaType": MANIFEST, "layers": described,
            "config": self._blob(json.dumps({"architecture": architecture, "config": config}).encode(), "application/vnd.oci.image.config.v1+json"),
        }  # fmt: skip
        return self._manifest(tag, MANIFEST, manifest)

    def push_index(self, tag: str, **by_architecture: str) -> str:
        """A name for several images, by architecture; and for an attestation, as buildx adds one."""
        entries = [{"digest": d, "mediaType": MANIFEST, "platform": {"os": "linux", "architecture": a}} for a, d in by_architecture.items()]
        entries.append({"digest": "sha256:0", "mediaType": MANIFEST, "platform": {"os": "unknown", "architecture": "unknown"}})
        return self._manifest(tag, INDEX, {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries})

    def _blob(self, content: bytes, kind: str) -> dict[str, Any]:
        digest = f"sha256:{sha256(content).hexdigest()}"
        self.blobs[digest] = content
        return {"mediaType": kind, "digest": digest, "size": len(content)}

    def _manifest(self, tag: str, kind: str, content: dict[str, Any]) -> str:
        body = json.dumps(content).encode()
        digest = f"sha256:{sha256(body).hexdigest()}"
        self.manifests[tag] = self.manifests[digest] = (kind, body)
        return digest

    def refuses(self, header: str) -> str | None:
        """What is asked of one who shows this header; None where it will do."""
        if self.login is None:
            return None
        basic = "Basic " + base64.b64encode(":".join(self.login).encode()).decode()
        if header == ("Bearer the-token" if self.bearer else basic):
            return None
        return f'Bearer realm="http://{self.host}/token",service="here"' if self.bearer else 'Basic realm="here"'


def _layer(files: dict[str, bytes], packed: bool) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return gzip.compress(raw.getvalue(), mtime=0) if packed else raw.getvalue()


def layer_of(views: Path) -> dict[str, bytes]:
    """A folder of views as the layer that copies it to /app/views."""
    return {f"app/views/{path.relative_to(views)}": path.read_bytes() for path in sorted(views.rglob("*")) if path.is_file()}


@contextmanager
def fake_registry() -> Iterator[FakeRegistry]:
    """A registry on a free port of this machine."""
    fake = FakeRegistry()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            shown = self.headers.get("Authorization", "")
            if self.path.startswith("/token"):
                user = "Basic " + base64.b64encode(":".join(fake.login or ("", "")).encode()).decode()
                return self._answer(200 if shown == user else 401, "application/json", b'{"token": "the-token"}')
            fake.asked.append(self.path)
            if asked := fake.refuses(shown):
                return self._answer(401, "application/json", b"{}", {"WWW-Authenticate": asked})
            what, _, which = self.path.removeprefix("/v2/").partition("/")[2].partition("/")
            if what == "manifests" and which in fake.manifests:
                return self._answer(200, *fake.manifests[which])
            if what == "blobs" and which in fake.blobs:
                return self._answer(200, "application/octet-stream", fake.blobs[which])
            return self._answer(404, "application/json", b"{}")

        def do_HEAD(self) -> None:
            self.do_GET()

        def _answer(self, status: int, kind: str, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fake.host = f"127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield fake
    server.shutdown()
    server.server_close()
