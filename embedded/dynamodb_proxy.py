"""A proxy before DynamoDB Local: it notes what is asked, and may answer in the server's place."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from embedded.dynamodb_local import DynamoDB

Answer = tuple[int, dict[str, Any]] | None
Faults = Callable[[str, dict[str, Any]], Answer]
"""What is answered to an operation and its body in place of the server; None where that answers."""


def refusal(kind: str, status: int = 400) -> tuple[int, dict[str, Any]]:
    """A refusal as DynamoDB spells it."""
    return status, {"__type": f"com.amazonaws.dynamodb.v20120810#{kind}", "message": f"as {kind} says"}


class Proxy(ThreadingHTTPServer):
    """The proxy; `asked` are operations with their bodies, oldest first."""

    daemon_threads = True

    def __init__(self, server: DynamoDB, faults: Faults) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.server, self.faults, self.asked = server, faults, list[tuple[str, dict[str, Any]]]()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def scans(self) -> list[dict[str, Any]]:
        """The bodies of the scans."""
        return [body for operation, body in self.asked if operation == "Scan"]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        operation, body = self.headers["X-Amz-Target"].rpartition(".")[2], json.loads(content)
        self.server.asked.append((operation, body))
        if found := self.server.faults(operation, body):
            self._answer(found[0], json.dumps(found[1]).encode(), {})
            return
        headers = {k: v for k, v in self.headers.items() if k.lower() in ("x-amz-target", "content-type", "authorization")}
        try:
            said = self.server.server.http.post(self.server.server.url, content=content, headers=headers, timeout=30)
        except httpx.HTTPError:
            self.close_connection = True
            return
        kept = {k: v for k, v in said.headers.items() if k.lower() in ("x-amz-crc32", "date", "content-type")}
        self._answer(said.status_code, said.content, kept)

    def _answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response_only(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def proxied(server: DynamoDB, faults: Faults = lambda _, __: None) -> Iterator[Proxy]:
    """A proxy before the server."""
    proxy = Proxy(server, faults)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        proxy.server_close()
