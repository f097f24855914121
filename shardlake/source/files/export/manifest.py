"""What AWS writes of an export beside its data: manifest-summary.json, which comes last, and manifest-files.json, a line a data file."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shardlake.errors import ContractError, SourceFailed
from shardlake.source.files.export.key import Folders
from shardlake.source.files.order import MOST_TIME, Order, micros_of
from shardlake.source.files.store import Listed, Store

_MOST = 1 << 20
"""Bytes of a summary, and of a line of the list of files."""
_ANEW = "Copy the export anew, or leave it out of `files`: what was read of it before stays, and the rest was not read."
_KINDS = {1: "exportToTime", 0: "exportTime"}


class Summary(BaseModel):
    """manifest-summary.json; what it says more is passed over."""

    model_config = ConfigDict(frozen=True)
    manifestFilesS3Key: str = Field(min_length=1)  # noqa: N815 - AWS's names
    itemCount: int = Field(ge=0)  # noqa: N815
    outputFormat: str = "DYNAMODB_JSON"  # noqa: N815
    exportType: Literal["FULL_EXPORT", "INCREMENTAL_EXPORT"] = "FULL_EXPORT"  # noqa: N815
    exportTime: datetime | None = None  # noqa: N815
    exportFromTime: datetime | None = None  # noqa: N815
    exportToTime: datetime | None = None  # noqa: N815
    tableArn: str = ""  # noqa: N815
    tableId: str = ""  # noqa: N815

    @property
    def table(self) -> str:
        """The table's name; empty where it is not told."""
        return self.tableArn.rpartition(":table/")[2]

    @property
    def incremental(self) -> bool:
        """Whether it holds the changes of a period, and not a table as it was."""
        return self.exportType == "INCREMENTAL_EXPORT"

    @property
    def at(self) -> datetime | None:
        """The time up to which it tells of the table."""
        found = self.exportToTime if self.incremental else self.exportTime
        return found.replace(tzinfo=UTC) if found and found.tzinfo is None else found


@dataclass(frozen=True, slots=True)
class Table:
    """The table that a manifest says it is of; `id` tells it from another of its name."""

    manifest: str
    arn: str
    id: str


class _Line(BaseModel):
    """A line of manifest-files.json."""

    dataFileS3Key: str = Field(min_length=1)  # noqa: N815
    itemCount: int = Field(ge=0)  # noqa: N815
    md5Checksum: str = Field(min_length=1)  # noqa: N815


@dataclass(frozen=True, slots=True)
class Expected:
    """What a data file should hold: its number of lines, the MD5 of its bytes in base64, and whether lines are changes. The list of files
    that says so has a name and a mark: it may be mended, too.
    """

    items: int
    md5: str
    incremental: bool
    list_name: str = ""
    list_mark: str = ""

    def is_said_still(self, store: Store) -> bool:
        """Whether the list is what it was when it was read."""
        found = store.find(self.list_name)
        return found is not None and found.mark == self.list_mark


@dataclass(frozen=True, slots=True)
class Export:
    """An export: its manifest, what that says, and the list of its files."""

    place: str
    summary: Summary
    folders: Folders
    files: Listed

    @property
    def order(self) -> Order:
        """All items of a full export are as new as the export; a change of that very moment, which has a time of its own, is newer."""
        assert self.summary.at is not None
        number = int(self.summary.incremental)
        return Order(micros_of(self.summary.at), number, number)

    @property
    def period(self) -> tuple[int, int]:
        """What it tells of, in microseconds since 1970: the changes of a period, or a moment."""
        assert self.summary.at is not None
        since, until = self.summary.exportFromTime, micros_of(self.summary.at)
        if not self.summary.incremental or since is None:
            return until, until
        return min(micros_of(since if since.tzinfo else since.replace(tzinfo=UTC)), until), until

    def data_files(self, store: Store) -> Iterator[tuple[str, Expected]]:
        """The names of its data files with what they should hold. Raises SourceFailed; Moved where the list is not what it was."""
        for number, line in enumerate(_lines(store, self.files), 1):
            place = f"{self.place}: line {number} of manifest-files.json"
            try:
                found = _Line.model_validate_json(line)
            except ValidationError as error:
                raise SourceFailed(f"{place} cannot be read: {_why(error)}", hint=_ANEW) from None
            said = Expected(found.itemCount, found.md5Checksum, self.summary.incremental, self.files.name, self.files.mark)
            yield self.folders.name_of(found.dataFileS3Key, place), said

    def require_sum(self, store: Store) -> None:
        """That its files hold as many items as it says, each file once. Raises SourceFailed, Moved."""
        counted, names = 0, set[str]()
        for name, expected in self.data_files(store):
            if name in names:
                raise SourceFailed(f"{self.place}: manifest-files.json names {name} twice", hint=_ANEW)
            names.add(name)
            counted += expected.items
        if counted != self.summary.itemCount:
            raise SourceFailed(
                f"{self.place}: it says {self.summary.itemCount} items, and the files of manifest-files.json hold {counted}", hint=_ANEW
            )


def read_summary(store: Store, manifest: Listed, place: str) -> Summary:
    """A manifest. Raises SourceFailed for what is none, Moved."""
    with store.stream(manifest) as stream:
        text = stream.read(_MOST)
    try:
        return Summary.model_validate_json(text)
    except ValidationError as error:
        raise SourceFailed(f"{place} is no manifest of an export: {_why(error)}", hint=_ANEW) from None


def open_export(store: Store, manifest: Listed, summary: Summary, place: str) -> Export:
    """An export by its manifest. Raises ContractError for one that is written otherwise, SourceFailed for one that is not whole."""
    if summary.outputFormat != "DYNAMODB_JSON":
        raise ContractError(
            f"{place}: the export is written as {summary.outputFormat}", hint="Export as DYNAMODB_JSON, or leave it out of `files`."
        )
    if summary.at is None or not 0 <= micros_of(summary.at) < MOST_TIME:
        raise SourceFailed(f"{place}: {_KINDS[summary.incremental]} is {summary.at}, and must be the time that orders its rows", hint=_ANEW)
    folder, key = manifest.name.rpartition("/")[0], summary.manifestFilesS3Key.rpartition("/")[0]
    name = f"{folder}/manifest-files.json".lstrip("/")
    files = store.find(name)
    if files is None:
        raise SourceFailed(f"{place}: {name} is missing", hint=_ANEW)
    return Export(place, summary, Folders(key, folder, summary.incremental), files)


def _lines(store: Store, file: Listed) -> Iterator[bytes]:
    with store.stream(file) as stream:
        while line := stream.readline(_MOST):
            if line.strip():
                yield line


def _why(error: ValidationError) -> str:
    first: Any = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(step) for step in first["loc"])
    return f"{where}: {first['msg']}" if where else str(first["msg"])
