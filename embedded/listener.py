"""A webhook on loopback that remembers what it is told, and the Prefect notification block that tells it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from embedded.loopback import HOST


class Listener:
    """What was sent, as path and body, in order. `answer` is the status that it gives."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []
        self.answer = 200
        self._server = ThreadingHTTPServer((HOST, 0), self._handler())
        self.url = f"http://{HOST}:{self._server.server_port}"

    def said(self, path: str) -> list[str]:
        """The bodies that were sent to a path."""
        return [body for where, body in self.heard if where == path]

    def lines(self, *words: str, since: int = 0) -> list[str]:
        """The lines with all of these words, of the messages that SAVE_BLOCK's block sent, from the `since`th on."""
        messages = [json.loads(body) for _, body in self.heard[since:]]
        found = [line for message in messages for line in (message["subject"], *message["body"].splitlines())]
        return [line for line in found if all(word in line for word in words)]

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
    def listening(self) -> Iterator[Self]:
        """It answers within."""
        thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


SAVE_BLOCK = (
    "import sys\nfrom prefect.blocks.notifications import CustomWebhookNotificationBlock as Block\n"
    "Block(name='listener', url=sys.argv[1], json_data={'subject': '{{subject}}', 'body': '{{body}}'}).save('listener', overwrite=True)"
)
"""A script that saves the block custom-webhook/listener; its argument is the listener's address."""
BLOCK = "custom-webhook/listener"
