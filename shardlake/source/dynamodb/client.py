"""Asking DynamoDB: signed requests, and its refusals as ours.

boto3's client takes 88 µs of CPU to read an item of 300 bytes, and this way 26: its parser looks at each value by the service's model.
"""

import os
import queue
import threading
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any, cast

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.exceptions
import botocore.httpsession
import botocore.utils
import orjson

from shardlake import cancellation
from shardlake.connection.aws import session
from shardlake.connection.dynamodb import DynamoDB
from shardlake.connection.secret import redact
from shardlake.errors import AccessRefused, ContractError, ShardlakeError, SourceFailed, SourceTimeout, SourceUnavailable, SpecError

Body = dict[str, Any]
_THROTTLED = ("ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded", "LimitExceededException")
_ENDED = ("ExpiredTokenException", "ExpiredToken")
_REFUSED = (
    "AccessDeniedException", "UnrecognizedClientException", "InvalidSignatureException", "MissingAuthenticationTokenException",
    "MissingAuthenticationToken", "IncompleteSignatureException", "InvalidClientTokenId", *_ENDED,
)  # fmt: skip


class _NoKeys(Exception):
    """There are no keys, or they cannot be obtained; the message is the error's name."""


class Throttled(Exception):
    """The table gives no more at this moment."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server says: the body, its size in bytes, and its clock."""

    body: Body
    size: int
    time: datetime


def _verify(found: boto3.Session) -> Any:
    """The authorities by which servers are known, as boto3's own clients look for them: a file, or True for the usual ones."""
    return found._session.get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE", True)


@cache
class Client:
    """One connection's way to DynamoDB. Requests may be sent by several threads at once."""

    def __init__(self, spec: DynamoDB, reference: str) -> None:
        """Raises SpecError where no region is to be had."""
        self._spec, self._reference = spec, reference
        self._session = session(spec) or boto3.Session(region_name=spec.region)
        region = spec.region or self._session.region_name
        if not region:
            raise SpecError(f"{reference}: no region", hint="Give `region`, or set AWS_REGION.")
        self._region: str = region
        self._url = spec.endpoint or self._session.client("dynamodb", region_name=region).meta.endpoint_url
        timeouts = (spec.connect_timeout.total_seconds(), spec.answer_timeout.total_seconds())
        self._http = botocore.httpsession.URLLib3Session(
            verify=_verify(self._session), proxies=botocore.utils.get_environ_proxies(self._url), timeout=timeouts,
            max_pool_connections=spec.max_connections + 2,
        )  # fmt: skip

    def ask(self, operation: str, body: Body, place: str, patience: float | None = None) -> Answer:
        """The answer to one request. `place` says in errors what was asked for; `patience` is how many seconds it may take, where less
        than the connection's own. Raises Throttled, SourceUnavailable, SourceTimeout, AccessRefused, ContractError, SourceFailed.
        """
        seconds = self._spec.answer_timeout.total_seconds() + self._spec.connect_timeout.total_seconds()
        found: queue.SimpleQueue[Any] = queue.SimpleQueue()
        threading.Thread(target=self._send, args=(operation, body, found), daemon=True).start()  # a run that ends does not wait for it
        waited, most = 0.0, min(seconds, patience or seconds)
        while True:
            try:
                answer = found.get(timeout=0.2)
                break
            except queue.Empty:
                cancellation.check()
                waited += 0.2
                if waited > most:
                    raise SourceTimeout(
                        f"{place}: DynamoDB did not answer in {most:.0f} s", hint="The next run goes on from there."
                    ) from None
        if isinstance(answer, BaseException):
            raise self._unreached(answer, place)
        return self._read(answer, place)

    def _send(self, operation: str, body: Body, found: "queue.SimpleQueue[Any]") -> None:
        try:
            keys = self._keys()
            headers = {"X-Amz-Target": f"DynamoDB_20120810.{operation}", "Content-Type": "application/x-amz-json-1.0"}
            request = botocore.awsrequest.AWSRequest("POST", self._url, data=orjson.dumps(body), headers=headers)
            botocore.auth.SigV4Auth(keys, "dynamodb", self._region).add_auth(request)
            answer = self._http.send(request.prepare())
            answer.content  # noqa: B018 - it is read here, by this thread
            found.put(answer)
        except BaseException as error:  # noqa: BLE001 - whoever waits raises it
            found.put(error)

    def _keys(self) -> Any:
        """The keys as they are now. Raises _NoKeys."""
        try:
            found = self._session.get_credentials()
            if found is None:
                raise botocore.exceptions.NoCredentialsError
            return found.get_frozen_credentials()
        except Exception as error:  # noqa: BLE001 - botocore's errors share no base, and may hold settings
            raise _NoKeys(type(error).__name__) from None

    def _unreached(self, error: BaseException, place: str) -> ShardlakeError:
        kind = type(error).__name__
        if isinstance(error, _NoKeys):
            return AccessRefused(
                f"{place}: no keys to ask DynamoDB with ({error})", hint=f"Check keys, profile or role of {self._reference}."
            )
        if kind.endswith("TimeoutError"):  # botocore's, and urllib3's in the midst of an answer
            return SourceTimeout(f"{place}: DynamoDB did not answer ({kind})", hint="The next run goes on from there.")
        return SourceUnavailable(f"{place}: DynamoDB cannot be reached ({kind})", hint=f"Check region and endpoint of {self._reference}.")

    def _read(self, answer: Any, place: str) -> Answer:
        content: bytes = answer.content
        try:
            if (sum_ := answer.headers.get("x-amz-crc32")) and int(sum_) != zlib.crc32(content):
                raise ValueError
            body = cast("Body", orjson.loads(content))
        except ValueError:
            raise SourceUnavailable(f"{place}: DynamoDB's answer is no whole JSON", hint="It is asked again.") from None
        if answer.status_code != 200:
            raise self._refusal(answer.status_code, body, place)
        date = answer.headers.get("Date")
        return Answer(body, len(content), parsedate_to_datetime(date) if date else datetime.now(UTC))

    def _refusal(self, status: int, body: Body, place: str) -> Exception:
        kind = str(body.get("__type", "")).rpartition("#")[2]
        said = redact(str(body.get("message") or body.get("Message") or kind), self._spec.secrets())[:300]
        if kind in _THROTTLED:
            return Throttled(said)
        if kind in _ENDED:
            return AccessRefused(f"{place}: the keys of {self._reference} have ended ({kind})", hint="Give keys that hold, or a role.")
        if kind in _REFUSED or status == 403:
            return AccessRefused(
                f"{place}: DynamoDB refuses {self._reference} ({kind})", hint="Check its keys, and the grants in docs/reference/grants.md."
            )
        if kind == "ResourceNotFoundException":
            return ContractError(
                f"{place}: there is no such table in {self._region}", hint=f"Check `table`, and the region of {self._reference}."
            )
        if status >= 500:
            return SourceUnavailable(f"{place}: DynamoDB failed ({kind or status})", hint="It is asked again.")
        return SourceFailed(f"{place}: DynamoDB refuses the request ({kind}: {said})")
