"""The lake's tables in AWS Glue, where Athena finds them. Nothing is changed there that Shardlake did not make."""

import base64
import json
from contextlib import suppress
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from shardlake.connection.aws import RETRIES, client
from shardlake.connection.lake import Lake
from shardlake.errors import AccessRefused, CatalogueUnavailable, ContractError, ShardlakeError
from shardlake.failpoints import failpoint
from shardlake.sink.lake.hive import presto
from shardlake.sink.lake.partition import DEFAULT
from shardlake.sink.lake.tables import LakeTable

_BATCH = 100
"""Partitions in a request, the most that Glue takes."""
_DELETED = 25
"""Partitions in a request to delete them."""
_MISSING = "EntityNotFoundException"
_MARK = "shardlake.view"
_PARQUET = {
    "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"},
}


class Glue:
    """Glue as a catalogue. Throttled requests are sent again by the SDK, adaptively."""

    def __init__(self, lake: Lake) -> None:
        self._root = lake.url.rstrip("/")
        self._client: Any = client(lake, "glue", endpoint_url=lake.glue_endpoint, config=RETRIES)

    def ensure(self, table: LakeTable, view: str) -> None:
        """Create the database and the table, or bring the table to what it is to be."""
        wanted = self._input(table, view)
        try:
            present = self._call("get_table", DatabaseName=table.database, Name=table.name)["Table"]
        except _Missing:
            self._create(table, wanted)
            return
        if _MARK not in present.get("Parameters", {}):
            raise ContractError(
                f"Glue has a table {table.database}.{table.name} that Shardlake did not make", hint="Give the layout another table name."
            )
        if any(present.get(k) != v for k, v in wanted.items() if k != "StorageDescriptor") or _differs(
            present["StorageDescriptor"], wanted["StorageDescriptor"]
        ):
            self._call("update_table", DatabaseName=table.database, TableInput=wanted)

    def _create(self, table: LakeTable, wanted: dict[str, Any]) -> None:
        with suppress(_Exists):
            self._call("create_database", DatabaseInput={"Name": table.database})
        try:
            self._call("create_table", DatabaseName=table.database, TableInput=wanted)
        except _Exists:  # another writer was first
            self._call("update_table", DatabaseName=table.database, TableInput=wanted)

    def add_partitions(self, table: LakeTable, partitions: dict[tuple[str | None, ...], str]) -> None:
        """Register partitions, a hundred at a time."""
        entries = self._entries(table, partitions)
        for start in range(0, len(entries), _BATCH):
            answer = self._call(
                "batch_create_partition",
                DatabaseName=table.database, TableName=table.name, PartitionInputList=entries[start : start + _BATCH],
            )  # fmt: skip
            self._require(table, "take", answer, but="AlreadyExistsException")

    def move_partitions(self, table: LakeTable, partitions: dict[tuple[str | None, ...], str]) -> None:
        """Set the places of partitions, a hundred at a time; each changes in one step."""
        entries = [{"PartitionValueList": e["Values"], "PartitionInput": e} for e in self._entries(table, partitions)]
        for start in range(0, len(entries), _BATCH):
            answer = self._call(
                "batch_update_partition", DatabaseName=table.database, TableName=table.name, Entries=entries[start : start + _BATCH]
            )
            self._require(table, "move", answer)

    @staticmethod
    def _require(table: LakeTable, what: str, answer: dict[str, Any], but: str = "") -> None:
        """That Glue did it for every partition of a request; an error with the code `but` says that it was done before."""
        if bad := [e for e in answer.get("Errors", []) if e["ErrorDetail"]["ErrorCode"] != but]:
            code, values = bad[0]["ErrorDetail"]["ErrorCode"], "/".join(bad[0].get("PartitionValues") or bad[0]["PartitionValueList"])
            raise CatalogueUnavailable(
                f"Glue did not {what} {len(bad)} partitions of {table.database}.{table.name}, {values!r} first ({code})",
                hint="It is tried again.",
            )

    def places(self, table: LakeTable) -> dict[tuple[str | None, ...], str]:
        """As `Catalogue` has it."""
        found: dict[tuple[str | None, ...], str] = {}
        token: dict[str, str] = {}
        while True:
            page = self._call("get_partitions", DatabaseName=table.database, TableName=table.name, ExcludeColumnSchema=True, **token)
            for partition in page["Partitions"]:
                values = tuple(None if v == DEFAULT else v for v in partition["Values"])
                found[values] = partition["StorageDescriptor"]["Location"].removeprefix(f"{self._root}/")
            if not page.get("NextToken"):
                return found
            token = {"NextToken": page["NextToken"]}

    def drop_partitions(self, table: LakeTable, partitions: list[tuple[str | None, ...]]) -> None:
        """Take out partitions, 25 at a time."""
        gone = [{"Values": [DEFAULT if v is None else v for v in values]} for values in partitions]
        for start in range(0, len(gone), _DELETED):
            answer = self._call(
                "batch_delete_partition",
                DatabaseName=table.database, TableName=table.name, PartitionsToDelete=gone[start : start + _DELETED],
            )  # fmt: skip
            self._require(table, "take out", answer, but=_MISSING)

    def _entries(self, table: LakeTable, partitions: dict[tuple[str | None, ...], str]) -> list[dict[str, Any]]:
        storage = self._storage(table)
        return [
            {
                "Values": [DEFAULT if v is None else v for v in values],
                "StorageDescriptor": {**storage, "Location": f"{self._root}/{folder}"},
            }
            for values, folder in partitions.items()
        ]

    def _input(self, table: LakeTable, view: str) -> dict[str, Any]:
        parameters = {_MARK: view, "EXTERNAL": "TRUE"}
        if table.format == "view":
            return {**_view_input(table), "Parameters": {**parameters, "presto_view": "true", "comment": "Presto View"}}
        if table.format == "delta":  # Athena reads its log
            columns = _columns((*table.columns, *table.partitions))
            return {
                "Name": table.name, "TableType": "EXTERNAL_TABLE", "PartitionKeys": [],
                "Parameters": {**parameters, "classification": "delta", "table_type": "DELTA", "spark.sql.sources.provider": "delta"},
                "StorageDescriptor": {**self._storage(table), "Columns": columns},
            }  # fmt: skip
        parameters |= {"classification": "parquet", **table.projection}
        if table.projection:
            names = "/".join(f"{n}=${{{n}}}" for n, _ in table.partitions)
            parameters["storage.location.template"] = f"{self._root}/{table.location}/{names}"
        return {
            "Name": table.name, "TableType": "EXTERNAL_TABLE", "Parameters": parameters,
            "PartitionKeys": _columns(table.partitions), "StorageDescriptor": self._storage(table),
        }  # fmt: skip

    def _storage(self, table: LakeTable) -> dict[str, Any]:
        return {"Columns": _columns(table.columns), "Location": f"{self._root}/{table.location}", **_PARQUET}

    def _call(self, name: str, **arguments: Any) -> Any:
        try:
            answer = getattr(self._client, name)(**arguments)
            if not name.startswith("get_"):
                failpoint("glue.changed")
            return answer
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code == _MISSING:
                raise _Missing("it is not there") from None
            if code == "AlreadyExistsException":
                raise _Exists("it is there already") from None
            if code in ("AccessDeniedException", "UnrecognizedClientException", "ExpiredTokenException", "InvalidSignatureException"):
                raise AccessRefused(
                    f"Glue refused {name} ({code})", hint="Check the task role: docs/reference/grants.md lists what it needs."
                ) from None
            raise CatalogueUnavailable(f"Glue failed at {name} ({code})", hint="It is tried again.") from None
        except BotoCoreError as error:
            raise CatalogueUnavailable(
                f"Glue cannot be reached ({type(error).__name__})", hint="Check region, network and credentials."
            ) from None


class _Missing(ShardlakeError):
    """What was asked for is not there."""


class _Exists(ShardlakeError):
    """What was to be made is there."""


def _columns(columns: tuple[tuple[str, str], ...]) -> list[dict[str, str]]:
    return [{"Name": n, "Type": t} for n, t in columns]


def _differs(present: dict[str, Any], wanted: dict[str, Any]) -> bool:
    def names(columns: list[dict[str, Any]]) -> list[tuple[str, str]]:
        return [(c["Name"], c["Type"]) for c in columns]

    return names(present["Columns"]) != names(wanted["Columns"]) or present.get("Location", "") != wanted.get("Location", "")


def _view_input(table: LakeTable) -> dict[str, Any]:
    columns = [{"name": n, "type": presto(t)} for n, t in table.columns]
    text = {"originalSql": table.sql, "catalog": "awsdatacatalog", "schema": table.database, "columns": columns}
    encoded = base64.b64encode(json.dumps(text).encode()).decode()
    return {
        "Name": table.name, "TableType": "VIRTUAL_VIEW", "ViewOriginalText": f"/* Presto View: {encoded} */",
        "ViewExpandedText": "/* Presto View */", "PartitionKeys": [],
        "StorageDescriptor": {"Columns": _columns(table.columns), "Location": "", "SerdeInfo": {}},
    }  # fmt: skip
