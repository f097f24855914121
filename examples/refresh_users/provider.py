"""Asking an HTTP provider for one thing at a time: at a rate, a few at once, again where that can help. Knows no table.

The token stands in a header of the requests and nowhere else: it is not in a URL, not in a reason and not in a repr, and
an answer that points elsewhere is not followed.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx
import orjson
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from shardlake.errors import AccessRefused

ATTEMPTS = 5
LONGEST = 60.0
"""Seconds that a provider's Retry-After is believed for at most."""
LARGEST = 1 << 20
"""Bytes of an answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of asking for an id: a document, or why there is none."""

    id: str
    document: dict[str, Any] | None
    reason: str = ""


class Pace:
    """At most so many requests a second over all threads, none while the provider has asked for a pause."""

    def __init__(self, per_second: float) -> None:
        self._gap, self._next, self._lock = 1.0 / per_second, 0.0, threading.Lock()

    def wait(self) -> None:
        """Wait for this thread's turn."""
        while (pause := self._turn()) > 0:
            time.sleep(pause)

    def hold(self, seconds: float) -> None:
        """Let nobody ask for so long."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)

    def _turn(self) -> float:
        with self._lock:
            now = time.monotonic()
            if now < self._next:
                return self._next - now
            self._next = max(self._next, now) + self._gap
            return 0.0


class _Again(Exception):
    """An answer, or none, after which it is worth asking again: the reason, and for how long the provider wants no more."""

    def __init__(self, reason: str, pause: float = 0.0) -> None:
        super().__init__(reason)
        self.pause = pause


class Provider:
    """A provider under a URL with `{id}` in it. Raises AccessRefused where it refuses the token; all else is a reason."""

    def __init__(self, url: str, token: str, *, per_second: float, timeout: float, backoff: float = 0.5) -> None:
        """`backoff` seconds are the first pause, at random up to that; it doubles from one to the next."""
        self._url, self._pace, self._timeout = url, Pace(per_second), timeout
        self._client = httpx.Client(headers={"Authorization": f"Bearer {token}", "Accept": "application/json"}, timeout=timeout)
        self._retrying: Callable[..., Any] = Retrying(
            retry=retry_if_exception_type(_Again), stop=stop_after_attempt(ATTEMPTS), sleep=time.sleep, reraise=True,
            wait=_Pause(wait_random_exponential(multiplier=backoff, max=30)),
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._client.close()

    def ask(self, id: str) -> Answer:
        """Ask for one id, up to five times."""
        try:
            return self._retrying.copy()(self._once, id)  # type: ignore[attr-defined,no-any-return]  # tenacity's copy is untyped
        except _Again as last:
            return Answer(id, None, f"{last}, {ATTEMPTS} times")

    def _once(self, id: str) -> Answer:
        self._pace.wait()
        try:
            with self._client.stream("GET", self._url.replace("{id}", quote(id, safe=""))) as answer:
                return self._judged(id, answer)
        except httpx.TimeoutException:
            raise _Again("no answer in time") from None
        except httpx.TransportError as error:
            raise _Again(f"cannot be reached ({type(error).__name__})") from None
        except httpx.HTTPError as error:
            return Answer(id, None, f"an answer that cannot be read ({type(error).__name__})")

    def _judged(self, id: str, answer: httpx.Response) -> Answer:
        code = answer.status_code
        if code in (401, 403):
            raise AccessRefused(
                f"the provider refused the token (HTTP {code})", hint="Check the reference `token` and the secret behind it."
            )
        if code == 429 or code >= 500:
            pause = _retry_after(answer.headers.get("Retry-After", ""))
            self._pace.hold(pause)
            raise _Again(f"HTTP {code}", pause)
        if code != 200:
            return Answer(id, None, f"HTTP {code}")
        content, deadline = bytearray(), time.monotonic() + self._timeout
        for piece in answer.iter_bytes():
            content += piece
            if len(content) > LARGEST:
                return Answer(id, None, f"an answer of more than {LARGEST} bytes")
            if time.monotonic() > deadline:  # httpx's own timeout is of each piece
                raise _Again("no answer in time")
        return _document(id, bytes(content))


class _Pause:
    """What the provider asks for, or else a growing time left to chance."""

    def __init__(self, else_: Callable[[RetryCallState], float]) -> None:
        self._else = else_

    def __call__(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        return max(self._else(state), error.pause if isinstance(error, _Again) else 0.0)


def _document(id: str, content: bytes) -> Answer:
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError:
        return Answer(id, None, "an answer that is no JSON")
    return Answer(id, found) if isinstance(found, dict) else Answer(id, None, "an answer that is no JSON object")


def _retry_after(given: str) -> float:
    """Seconds, from a number or a date; 0 for what is neither.

    >>> _retry_after("2"), _retry_after("soon"), _retry_after("86400")
    (2.0, 0.0, 60.0)
    """
    try:
        seconds = (
            float(given)
            if given.strip().replace(".", "", 1).isdigit()
            else (parsedate_to_datetime(given) - datetime.now(UTC)).total_seconds()
        )
    except (ValueError, TypeError):
        return 0.0
    return min(max(seconds, 0.0), LONGEST)
