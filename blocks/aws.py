"""Credentials of prefect-aws as plain values: the engine never meets the block."""

from typing import Any, TypeVar

from prefect_aws import AwsCredentials

from shardlake.connection.aws_identity import AwsIdentity
from shardlake.errors import SpecError

Identity = TypeVar("Identity", bound=AwsIdentity)
_TAKEN = {"RoleSessionName": "session_name", "DurationSeconds": "seconds", "ExternalId": "external_id"}


def as_plain(identity: Identity, block: AwsCredentials | None) -> Identity:
    """The connection with a block's keys, profile, role, region and endpoint. Raises SpecError for what a run cannot take over."""
    if block is None:
        return identity
    role = {_TAKEN.get(name, name): value for name, value in block.assume_role_kwargs.get_params_override().items()}
    client = {n: getattr(block.aws_client_parameters, n) for n in block.aws_client_parameters.model_fields_set - {"endpoint_url"}}
    defaults = type(block.aws_client_parameters).model_fields
    odd = sorted({*role} - {*_TAKEN.values()}) + sorted(n for n, value in client.items() if value != defaults[n].default)
    if odd:
        raise SpecError(
            f"the AWS credentials of {identity.called} set {odd[0]}, which a run cannot take over",
            hint=f"Of the role these are taken: {', '.join(_TAKEN)}; of the client's parameters endpoint_url.",
        )
    found: dict[str, Any] = {
        "access_key_id": block.aws_access_key_id, "secret_access_key": block.aws_secret_access_key,
        "session_token": block.aws_session_token, "profile": block.profile_name,
        "role": {"arn": block.assume_role_arn, **role} if block.assume_role_arn else None,
        "region": identity.region or block.region_name, "endpoint": identity.endpoint or block.aws_client_parameters.endpoint_url,
    }  # fmt: skip
    own = {name: getattr(identity, name) for name in type(identity).model_fields if name != "credentials"}
    return type(identity).model_validate(own | found)
