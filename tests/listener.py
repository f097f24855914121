"""An HTTP server on loopback that remembers what it is told: what a webhook's address leads to in tests."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Listener:
    """What was sent, as path and body, in order. `answer` is the status that it gives."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []
        self.answer = 200
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def said(self, path: str) -> list[str]:
        """The bodies that were sent to a path."""
        return [body for where, body in self.heard if where == path]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"] or 0)).decode()
                listener.heard.append((self.path, body))
                self.send_response(listener.answer)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing."""

        return Handler

    @contextmanager
    def listening(self) -> Iterator[Listener]:
        """It answers within."""
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        yield self
        self._server.shutdown()
        self._server.server_close()
