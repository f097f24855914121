"""The registry of kinds: found by slug, each with what a view may name it as."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shardlake import kinds
from shardlake.connection.dynamodb import DynamoDB
from shardlake.connection.files import S3Files
from shardlake.connection.kinds import KINDS, Connection, expect, kind_of
from shardlake.connection.lake import Lake
from shardlake.connection.mongodb import MongoDB
from shardlake.connection.postgres import PostgresWarehouse
from shardlake.connection.shards import MySQLShards, PostgresShards, Shards
from shardlake.errors import SpecError

SHOP = MySQLShards.model_validate({"url": "mysql://r@db/shop", "max_connections": 7, "connect_timeout": "3s"})
WAREHOUSE = PostgresWarehouse.model_validate({"url": "postgresql://loader@warehouse/analytics", "max_connections": 9})


def test_a_kind_is_found_by_its_slug_and_says_what_a_view_may_name_it_as() -> None:
    assert {slug: (kind, kinds.KINDS[slug].role) for slug, kind in KINDS.items()} == {
        "mysql-shards": (MySQLShards, "source"),
        "postgres-shards": (PostgresShards, "source"),
        "s3-files": (S3Files, "source"),
        "mongodb": (MongoDB, "source"),
        "dynamodb": (DynamoDB, "source"),
        "postgres-warehouse": (PostgresWarehouse, "warehouse"),
        "athena-lake": (Lake, "lake"),
    }
    assert kind_of("postgres-shards/shop") is PostgresShards
    with pytest.raises(SpecError, match="there is no kind 'oracle-shards'; there are: mysql-shards, postgres-shards, s3-files, mongodb"):
        kind_of("oracle-shards/shop")


def test_a_connection_of_another_kind_is_refused_by_the_place_that_names_it() -> None:
    found: Connection = SHOP
    assert expect(found, Shards, "orders: source.connection").connect_timeout == timedelta(seconds=3)
    with pytest.raises(
        SpecError,
        match=r"^orders: warehouse\.connection is a mysql-shards, which cannot be a warehouse\. Name one of postgres-warehouse\.$",
    ):
        expect(found, PostgresWarehouse, "orders: warehouse.connection")


def test_only_a_source_bounds_how_many_reads_are_under_way() -> None:
    assert (SHOP.reads_at_once, WAREHOUSE.reads_at_once) == (7, None)


def test_a_lake_names_the_block_of_its_credentials_and_other_kinds_have_none() -> None:
    lake = Lake.model_validate({"url": "s3://bucket", "credentials": "aws-credentials/data"})
    assert (lake.credentials_block, Lake.model_validate({"url": "x"}).credentials_block) == ("aws-credentials/data", None)
    assert WAREHOUSE.credentials_block is None
