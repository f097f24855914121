"""Where files lie: a folder or a bucket, listed in the order of names, and read as they were when they were listed."""

import errno
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import obstore
from obstore.exceptions import InvalidPathError, PermissionDeniedError, PreconditionError, UnauthenticatedError
from obstore.store import S3Store

from shardlake.connection.files import S3Files
from shardlake.errors import AccessRefused, ShardlakeError, SourceFailed, SourceUnavailable
from shardlake.raw.store import RETRY, Ranged, s3_options

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PAGE = 1_000
"""Files of a page of a listing."""
_REFUSED = ("AccessDenied", "SignatureDoesNotMatch", "InvalidAccessKeyId", "ExpiredToken", "403 Forbidden", "401 Unauthorized")
"""What a refusal holds: of a listing obstore has no error of its own for it."""
_NONE = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)
"""What the machine says where there is no file of a name, nor can be."""
_STREAM = 4 << 20
"""Bytes that are asked for at once of a file in a bucket."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A file as a listing has it: its name under the connection's URL, a mark that changes with its content, bytes, and its time."""

    name: str
    mark: str
    bytes: int
    modified: datetime


class Moved(Exception):
    """A file is not what it was when it was listed, or is not there any more."""


class Store(Protocol):
    """A place of files."""

    @property
    def settle(self) -> timedelta:
        """How long a file must have been left alone to be taken as whole, where a view does not say so."""

    def listing(self, prefix: str, after: str = "") -> Iterator[list[Listed]]:
        """The files whose names begin with `prefix` and lie behind `after`, page by page. Raises SourceUnavailable, AccessRefused.

        They come in the order of their names' bytes, or nearly so: some servers sort folders otherwise.
        """

    def folders(self, folder: str) -> list[str]:
        """The folders in a folder, by their names under the connection's URL. Raises SourceUnavailable, AccessRefused."""

    def stream(self, file: Listed) -> io.BufferedReader:
        """A file from its beginning, as it was listed. Raises Moved; SourceUnavailable and AccessRefused, as it is read, too."""

    def seekable(self, file: Listed) -> io.BufferedReader:
        """The same for a format that is read in no order. It may have moved meanwhile: ask `still` at its end."""

    def still(self, file: Listed) -> bool:
        """Whether a file is what it was when it was listed."""

    def find(self, name: str) -> Listed | None:
        """The file of that name as it is now; None where there is none. Raises SourceUnavailable, AccessRefused."""

    def there(self, name: str) -> bool:
        """Whether there is a file of that name. Raises SourceUnavailable, AccessRefused."""

    def empty(self) -> bool:
        """Whether there is nothing at all under the connection's URL. Raises SourceUnavailable, AccessRefused."""


def open_files(spec: S3Files) -> Store:
    """The place behind a connection's URL. Raises SourceUnavailable for a folder that is not there."""
    if spec.url.startswith("s3://"):
        return Objects(spec)
    return Folder(Path(spec.url).expanduser().resolve())


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of this machine. A file there may still be being written."""

    root: Path
    settle: timedelta = timedelta(seconds=2)

    def listing(self, prefix: str, after: str = "") -> Iterator[list[Listed]]:
        """See Store."""
        if not self.root.is_dir():
            raise SourceUnavailable(f"{self.root} is no folder", hint="Check the connection's url, and whether it is mounted.")
        page: list[Listed] = []
        for name in self._names("", prefix, after):
            if found := self.find(name):
                page.append(found)
            if len(page) == PAGE:
                yield page
                page = []
        if page:
            yield page

    def _names(self, folder: str, prefix: str, after: str) -> Iterator[str]:
        """The names in the order of a bucket, in which a folder is sorted as if its name ended with /."""
        try:
            with os.scandir(self.root / folder) as entries:
                found = sorted(f"{folder}{e.name}{'/' if e.is_dir() else ''}" for e in entries)
        except FileNotFoundError:  # it went while we were on our way
            return
        except OSError as error:
            raise _failed(f"{self.root / folder}", error) from None
        for name in found:
            if not (name.startswith(prefix) or prefix.startswith(name)):
                continue
            if name.endswith("/"):
                if name + "\U0010ffff" > after:
                    yield from self._names(name, prefix, after)
            elif name > after and name.startswith(prefix):
                yield name

    def folders(self, folder: str) -> list[str]:
        """See Store."""
        if not self.root.is_dir():
            raise SourceUnavailable(f"{self.root} is no folder", hint="Check the connection's url, and whether it is mounted.")
        try:
            with os.scandir(self.root / folder) as entries:
                return [f"{folder}/{entry.name}".lstrip("/") for entry in entries if entry.is_dir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _failed(f"{self.root / folder}", error) from None

    def find(self, name: str) -> Listed | None:
        """See Store."""
        try:
            found = (self.root / name).stat()
        except OSError as error:
            if error.errno in _NONE:
                return None
            raise _failed(name, error) from None
        mark = f"{found.st_ino:x}-{found.st_mtime_ns:x}-{found.st_size:x}"
        return Listed(name, mark, found.st_size, _EPOCH + timedelta(microseconds=found.st_mtime_ns // 1_000))

    def stream(self, file: Listed) -> io.BufferedReader:
        """See Store."""
        try:
            opened = (self.root / file.name).open("rb", buffering=0)
        except OSError as error:
            if error.errno in _NONE:
                raise Moved(file.name) from None
            raise _failed(file.name, error) from None
        if not self.still(file):
            opened.close()
            raise Moved(file.name)
        return io.BufferedReader(opened, _STREAM)

    seekable = stream

    def still(self, file: Listed) -> bool:
        """See Store."""
        found = self.find(file.name)
        return found is not None and found.mark == file.mark

    def there(self, name: str) -> bool:
        """See Store."""
        return self.find(name) is not None

    def empty(self) -> bool:
        """See Store."""
        return next(self.root.iterdir(), None) is None


class Objects:
    """A bucket. An object there is whole or not at all."""

    settle = timedelta(0)

    def __init__(self, spec: S3Files) -> None:
        bucket, _, prefix = spec.url.removeprefix("s3://").strip("/").partition("/")
        options = s3_options(spec)
        options["client_options"] = {**options.get("client_options", {}), "timeout": spec.timeout}
        retry: Any = {**RETRY, "retry_timeout": min(spec.timeout * 2, RETRY["retry_timeout"])}
        self._url = spec.url
        self._store = S3Store(bucket, prefix=prefix or None, retry_config=retry, **options)

    def listing(self, prefix: str, after: str = "") -> Iterator[list[Listed]]:
        """See Store. obstore lists whole folders: what lies before the prefix is passed by, and what lies behind it ends the listing."""
        folder, _, begun = prefix.rpartition("/")
        after = max(after, f"{prefix[:-1]}{chr(ord(prefix[-1]) - 1)}~" if begun else "")
        try:
            for page in obstore.list(self._store, folder or None, offset=after or None, chunk_size=PAGE):
                found = [_listed(one) for one in page if one["path"].startswith(prefix) and one["size"]]  # without markers of folders
                if found:
                    yield found
                elif page and page[-1]["path"] > prefix + "\U0010ffff":
                    return
        except ShardlakeError:
            raise
        except Exception as error:  # noqa: BLE001 - obstore's errors share no base, and may hold settings
            raise _failed(f"{self._url}/{prefix}", error) from None

    def folders(self, folder: str) -> list[str]:
        """See Store."""
        try:
            return [str(name) for name in obstore.list_with_delimiter(self._store, folder or None)["common_prefixes"]]
        except Exception as error:  # noqa: BLE001 - as above
            raise _failed(f"{self._url}/{folder}", error) from None

    def stream(self, file: Listed) -> io.BufferedReader:
        """See Store."""
        return io.BufferedReader(_Object(self._store, file), _STREAM)

    seekable = stream

    def still(self, file: Listed) -> bool:
        """See Store."""
        found = self.find(file.name)
        return found is not None and found.mark == file.mark

    def there(self, name: str) -> bool:
        """See Store."""
        return self.find(name) is not None

    def empty(self) -> bool:
        """See Store."""
        return next(self.listing(""), None) is None

    def find(self, name: str) -> Listed | None:
        """See Store."""
        try:
            return _listed(obstore.head(self._store, name))
        except FileNotFoundError:
            return None
        except Exception as error:  # noqa: BLE001 - as above
            raise _failed(name, error) from None


class _Object(Ranged):
    """An object as it was listed, read range by range: each is a request with time and tries of its own. Raises Moved."""

    def __init__(self, store: S3Store, file: Listed) -> None:
        super().__init__(file.bytes)
        self._store, self._file = store, file

    def fetch(self, start: int, end: int) -> Any:
        """See Ranged."""
        try:
            options: Any = {"range": (start, end), "if_match": self._file.mark}
            return obstore.get(self._store, self._file.name, options=options).bytes()
        except (FileNotFoundError, PreconditionError):
            raise Moved(self._file.name) from None
        except Exception as error:  # noqa: BLE001 - obstore's errors share no base, and may hold settings
            raise _failed(self._file.name, error) from None


def _listed(found: Any) -> Listed:
    return Listed(found["path"], str(found["e_tag"] or found["last_modified"]), found["size"], found["last_modified"].astimezone(UTC))


def _failed(what: str, error: Exception) -> ShardlakeError:
    """A failure of the place as one of ours; it holds no settings."""
    if isinstance(error, ShardlakeError):
        return error
    if isinstance(error, InvalidPathError):
        return SourceFailed(f"{what}: a key there has an empty part, . or .., or a control character in its name", hint="Have it renamed.")
    told = str(error)  # which is not shown: it may hold settings
    if "NoSuchBucket" in told:
        return AccessRefused(f"{what} cannot be read: there is no such bucket", hint="Check the connection's url.")
    if isinstance(error, PermissionError | PermissionDeniedError | UnauthenticatedError) or any(code in told for code in _REFUSED):
        return AccessRefused(f"{what} cannot be read ({type(error).__name__})", hint="Check the keys, and the rights to list and to read.")
    return SourceUnavailable(f"{what} cannot be read ({type(error).__name__})", hint="Check the place and the way to it.")
