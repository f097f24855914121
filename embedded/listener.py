"""A webhook on loopback that remembers what it is told, and the Prefect notification block that tells it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Listener:
    """What a data team's channel would show: each message's subject and body, oldest first."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        heard = self.heard

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                said = json.loads(self.rfile.read(int(self.headers["content-length"])))
                heard.append(f"{said['subject']}\n{said['body']}")
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server.server_port}/"

    def said(self, *words: str, since: int = 0) -> list[str]:
        """The lines with all of these words, of the messages from `since` on."""
        lines = [line for message in self.heard[since:] for line in message.splitlines()]
        return [line for line in lines if all(word in line for word in words)]


@contextmanager
def listening() -> Iterator[Listener]:
    """A listener on a free port, within."""
    made = Listener()
    thread = threading.Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.server.shutdown()
        made.server.server_close()
        thread.join()


SAVE_BLOCK = (
    "import sys\nfrom prefect.blocks.notifications import CustomWebhookNotificationBlock as Block\n"
    "Block(name='listener', url=sys.argv[1], json_data={'subject': '{{subject}}', 'body': '{{body}}'}).save('listener', overwrite=True)"
)
"""A script that saves the block custom-webhook/listener; its argument is the listener's address."""
BLOCK = "custom-webhook/listener"
