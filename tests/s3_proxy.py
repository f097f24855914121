"""A proxy before the S3 emulator that does what S3 does on bad days: 503 SlowDown, 500, resets, replies that are lost."""

from __future__ import annotations

import http.client
import re
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

SLOW_DOWN = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


class Faults:
    """What happens to the next requests of a method: 'slow', '500', 'reset' (before it is passed on), 'lost' (after), 'denied'."""

    def __init__(self, address: str) -> None:
        self.upstream = urlsplit(address)
        self.script: dict[str, list[str]] = {}
        self.seen: list[str] = []
        self.everywhere = False
        self.signers: set[tuple[str, bool]] = set()
        """Of all requests: the id of the key that signed, and whether a session's token came with it."""
        self.held = ""
        """A request whose path ends so is not passed on until `go_on` is set; `holds` says that there is one."""
        self.holds, self.go_on = threading.Event(), threading.Event()
        self._lock = threading.Lock()

    def next(self, method: str, path: str) -> str | None:
        with self._lock:
            script = self.script.get(method)
            if not script or not (self.everywhere or "/analytics/" in path):  # raw has tests of its own
                return None
            fault = script.pop(0) if script[0] != "denied" else "denied"
            self.seen.append(fault)
            return fault


@contextmanager
def s3_proxy(address: str) -> Iterator[tuple[str, Faults]]:
    """The proxy's address, and its faults."""
    faults = Faults(address)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass(self) -> None:
            body = self._body()
            signed = re.search(r"Credential=([^/]+)/", self.headers.get("Authorization") or "")
            faults.signers.add((signed[1] if signed else "", "X-Amz-Security-Token" in self.headers))
            if faults.held and self.path.endswith(faults.held):
                faults.holds.set()
                faults.go_on.wait(300)
            fault = faults.next(self.command, self.path)
            if fault in ("slow", "500", "denied"):
                self.send_response({"slow": 503, "500": 500, "denied": 403}[fault])
                self.send_header("Content-Length", str(len(SLOW_DOWN)))
                self.end_headers()
                self.wfile.write(SLOW_DOWN)
                return
            if fault == "reset":
                self._reset()
                return
            connection = http.client.HTTPConnection(faults.upstream.hostname or "", faults.upstream.port or 80)
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            data = answer.read()
            if fault == "lost":
                self._reset()
                return
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                    self.send_header(name, value)
            length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(data))
            self.send_header("Content-Length", length or "0")
            self.end_headers()
            self.wfile.write(data)
            connection.close()

        def _body(self) -> bytes:
            if "chunked" not in (self.headers.get("Transfer-Encoding") or ""):
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            del self.headers["Transfer-Encoding"]
            return b"".join(parts)

        def _reset(self) -> None:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass  # noqa: N815 - as http.server calls them

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", faults
    finally:
        server.shutdown()
        server.server_close()
