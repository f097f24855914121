"""AWS as a connection has it: one session for all that is asked with its identity, which renews a role's keys by itself."""

import logging
from functools import cache, partial
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials

from shardlake.connection.aws_identity import AwsIdentity
from shardlake.errors import LakeUnavailable, SpecError

RETRIES: Any = Config(retries={"mode": "adaptive", "max_attempts": 6}, connect_timeout=10)
"""Of Glue: slower as it throttles; a step is tried again as a whole beyond that."""
for _telling in ("botocore.auth", "botocore.parsers"):
    logging.getLogger(_telling).setLevel(logging.INFO)  # at DEBUG they tell session tokens, and STS's answers with their keys


@cache
def session(identity: AwsIdentity) -> boto3.Session | None:
    """The session of a connection's own keys, profile or role; None where AWS's own chain of credentials is meant. Nothing is asked
    of AWS here. Raises SpecError for a block that nobody has resolved, and for a profile that is not there.
    """
    if identity.credentials:
        raise SpecError(
            f"{identity.called}'s credentials are the block {identity.credentials}, and nobody has loaded it", hint="Run by `shardlake`."
        )
    if not (identity.access_key_id or identity.profile or identity.role):
        return None
    try:
        found = boto3.Session(
            *(s.get_secret_value() if s else None for s in (identity.access_key_id, identity.secret_access_key, identity.session_token)),
            region_name=identity.region, profile_name=identity.profile,
        )  # fmt: skip
    except Exception as error:  # noqa: BLE001 - botocore's errors share no useful base
        raise SpecError(
            f"{identity.called}'s AWS session cannot be made ({type(error).__name__})", hint="Check `profile` and the keys."
        ) from None
    return _assumed(found, identity) if identity.role else found


def _assumed(source: boto3.Session, identity: AwsIdentity) -> boto3.Session:
    """A session of a role that another session assumes, and assumes again before its keys end."""
    role = identity.role
    assert role is not None
    arguments: dict[str, Any] = {"RoleSessionName": role.session_name, "DurationSeconds": role.seconds}
    arguments |= {"ExternalId": role.external_id} if role.external_id else {}
    fetcher = AssumeRoleCredentialFetcher(
        partial(source.client, region_name=identity.region), _Source(source), role.arn, extra_args=arguments
    )
    inner = botocore.session.get_session()
    inner._credentials = DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")  # botocore has no other way in
    return boto3.Session(botocore_session=inner, region_name=identity.region or source.region_name)


class _Source:
    """A session's keys, looked for when they are wanted."""

    def __init__(self, source: boto3.Session) -> None:
        self._source = source

    def get_frozen_credentials(self) -> Any:
        """The keys as they are now."""
        found = self._source.get_credentials()
        if found is None:
            raise ValueError("no credentials that could assume the role")
        return found.get_frozen_credentials()


def keys(identity: AwsIdentity) -> tuple[str, str, str | None] | None:
    """The keys as they are now: id, secret and token; None where AWS's own chain of credentials is meant. Raises LakeUnavailable."""
    own = session(identity)
    if own is None:
        return None
    try:
        frozen = own.get_credentials().get_frozen_credentials()
    except Exception as error:  # noqa: BLE001 - botocore's errors share no base, and may hold settings
        raise LakeUnavailable(
            f"{identity.called}'s AWS keys cannot be obtained ({type(error).__name__})",
            hint="Check the role, who may assume it, and the way to STS.",
        ) from None
    return str(frozen.access_key), str(frozen.secret_key), frozen.token


def client(identity: AwsIdentity, service: str, **arguments: Any) -> Any:
    """A client of a service, in the connection's region and with its credentials."""
    return (session(identity) or boto3).client(service, region_name=identity.region, **arguments)
