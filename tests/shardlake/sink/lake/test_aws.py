"""Who writes to S3 and Glue, and with which key it is encrypted. S3, Glue and STS are moto's, emulators."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
import pytest
from pydantic import ValidationError

from shardlake.connection.aws import keys, session
from shardlake.connection.lake import Lake
from shardlake.errors import LakeUnavailable, SpecError
from shardlake.raw.store import open_store
from tests.s3_proxy import s3_proxy
from tests.shardlake.sink.lake.test_append import BY_DAY, order, shop
from tests.shardlake.sink.lake.test_faults import LAYOUTS
from tests.world import World, WorldMaker

ROLE = "arn:aws:iam::123456789012:role/lake"
KEYS = {"access_key_id": "AKIAUSER", "secret_access_key": "canary-7c1"}


def everywhere(w: World, address: str, folder: Path, **lake: Any) -> World:
    """Rows for every format and for Glue, in a lake on the emulator."""
    w.view["lake"] = {"layouts": LAYOUTS, "database": f"d_{folder.name.lower().replace('-', '_')}"[:60]}
    place = {"url": f"s3://lake-bucket/{folder.name}", "endpoint": address, "region": "eu-west-1"}
    w.lake = {**place, "glue": True, "glue_endpoint": address, **lake}
    order(w, "shop_00", 1, 1, city="Rome")
    return w


def written(w: World, **environment: str) -> None:
    """Two runs in processes of their own: readers are forked off a process that has its environment from its start."""
    for _ in range(2):
        done = w.engine_process(**environment)
        assert done.returncode == 0, done.stdout + done.stderr
        order(w, "shop_00", 1, city="Bern")


def test_a_kms_key_encrypts_every_object_of_every_format(world: WorldMaker, s3_emulator: str, tmp_path: Path) -> None:
    w = everywhere(shop(world), s3_emulator, tmp_path, **KEYS, kms_key="alias/lake")
    w.must_sync()
    order(w, "shop_00", 1, city="Bern")
    w.must_sync()
    for table in ("orders_latest", "orders_by_city_latest", "in_delta", "in_iceberg"):
        assert w.query(f"SELECT id, city FROM {table}") == [(1, "Bern")], table
    client = boto3.client("s3", endpoint_url=s3_emulator, region_name="eu-west-1", aws_access_key_id="k", aws_secret_access_key="s")
    listed = [
        o["Key"]
        for page in client.get_paginator("list_objects_v2").paginate(Bucket="lake-bucket", Prefix=f"{tmp_path.name}/")
        for o in page["Contents"]
    ]
    heads = {key: client.head_object(Bucket="lake-bucket", Key=key) for key in listed}
    kinds = {key.rpartition(".")[2] for key in listed}
    assert kinds >= {"parquet", "avro", "json"}  # Iceberg's and Delta's metadata among them
    assert {key: (h.get("ServerSideEncryption"), h.get("SSEKMSKeyId")) for key, h in heads.items()} == dict.fromkeys(
        listed, ("aws:kms", "alias/lake")
    )


def test_a_role_is_assumed_and_its_keys_alone_sign_what_is_read_and_written(world: WorldMaker, s3_emulator: str, tmp_path: Path) -> None:
    with s3_proxy(s3_emulator) as (address, faults):
        written(
            everywhere(shop(world), address, tmp_path, **KEYS, role={"arn": ROLE, "external_id": "e1"}), AWS_ENDPOINT_URL_STS=s3_emulator
        )
    assert {(key[:4], token) for key, token in faults.signers} == {("ASIA", True)}


def test_keys_that_end_are_sent_with_their_token(world: WorldMaker, s3_emulator: str, tmp_path: Path) -> None:
    with s3_proxy(s3_emulator) as (address, faults):
        written(everywhere(shop(world), address, tmp_path, **KEYS, session_token="canary-7c2"))
    assert faults.signers == {("AKIAUSER", True)}


def test_without_keys_awss_own_chain_is_asked(world: WorldMaker, s3_emulator: str, tmp_path: Path) -> None:
    with s3_proxy(s3_emulator) as (address, faults):
        w = everywhere(shop(world), address, tmp_path)
        written(w, AWS_ACCESS_KEY_ID="AKIACHAIN", AWS_SECRET_ACCESS_KEY="canary-7c3", AWS_DEFAULT_REGION="eu-west-1")
    assert faults.signers == {("AKIACHAIN", False)}


def test_a_roles_keys_are_taken_anew_a_quarter_of_an_hour_before_they_end(s3_emulator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", s3_emulator)
    own = {"url": "s3://bucket/x", "region": "eu-west-1", **KEYS}
    hour, quarter = (Lake.model_validate({**own, "role": {"arn": ROLE, "seconds": seconds}}) for seconds in (3600, 900))
    assert keys(hour) == keys(hour)
    assert keys(quarter) != keys(quarter)


@pytest.mark.parametrize(
    ("lake", "message"),
    [
        ({"access_key_id": "a"}, "`access_key_id` and `secret_access_key` go together, `session_token` with both"),
        ({**KEYS, "profile": "p"}, "give either keys or `profile`"),
        ({**KEYS, "credentials": "aws-credentials/x"}, "give either `credentials`, or keys, `profile` and `role` here"),
        ({"credentials": "s3/x"}, "credentials: 's3/x' must read aws-credentials/<name>, a block of prefect-aws"),
    ],
)
def test_credentials_that_contradict_each_other_are_refused(lake: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Lake.model_validate({"url": "s3://bucket/x", **lake})
    assert refused.value.errors()[0]["msg"] == f"Value error, {message}"
    assert "canary" not in str(refused.value)


def test_the_engine_does_not_go_on_without_the_credentials_that_it_was_promised() -> None:
    lake = Lake(url="s3://bucket/x", credentials="aws-credentials/lake")
    for use in (session, open_store):
        with pytest.raises(SpecError, match="the lake's credentials are the block aws-credentials/lake, and nobody has loaded it"):
            use(lake)


def test_a_role_that_cannot_be_assumed_is_said_without_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    lake = Lake.model_validate({"url": "s3://bucket/x", "region": "eu-west-1", **KEYS, "role": {"arn": f"{ROLE}-of-nobody"}})
    with pytest.raises(LakeUnavailable, match=r"the lake's AWS keys cannot be obtained \(EndpointConnectionError\)"):
        keys(lake)


def test_a_profile_that_is_not_there_is_named_by_its_kind_alone() -> None:
    with pytest.raises(SpecError, match=r"the lake's AWS session cannot be made \(ProfileNotFound\)"):
        open_store(Lake(url="s3://bucket/x", profile="nobody"))


def test_a_lake_in_a_folder_needs_none(world: WorldMaker) -> None:
    w = shop(world, None, [BY_DAY])
    order(w, "shop_00", 1, 1)
    w.must_sync()
    assert keys(Lake(url=str(w.folder))) is None
