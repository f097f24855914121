"""From the keys in a manifest, which are those of the bucket it was written to, to names under the connection's URL.

An export may have been copied to another prefix, or into a folder: what stands before its own folder in a key is taken from the key of
its manifest.
"""

from dataclasses import dataclass

from shardlake.errors import SourceFailed

DATA = "data"
_HINT = "Copy the export anew, or leave it out of `files`: what was read of it before stays, and the rest was not read."


@dataclass(frozen=True, slots=True)
class Folders:
    """An export's own folder by its key in the bucket (`key`) and by its name here (`name`); `shared` where its data may lie in the folder
    that incremental exports have in common.
    """

    key: str
    name: str
    shared: bool

    def name_of(self, key: str, place: str) -> str:
        """The name of a data file. Raises SourceFailed for one that lies elsewhere.

        >>> of = Folders("lake/AWSDynamoDB/0169-ab", "copies/AWSDynamoDB/0169-ab", shared=True)
        >>> of.name_of("lake/AWSDynamoDB/0169-ab/data/x.json.gz", "it"), of.name_of("lake/AWSDynamoDB/data/y.json.gz", "it")
        ('copies/AWSDynamoDB/0169-ab/data/x.json.gz', 'copies/AWSDynamoDB/data/y.json.gz')
        """
        folder, _, file = key.rpartition("/")
        if file in ("", ".", "..") or not file.isprintable():
            raise SourceFailed(f"{place} names {key[:200]!r}, which is no file", hint=_HINT)
        if folder == _inside(self.key, DATA):
            return _inside(_inside(self.name, DATA), file)
        if self.shared and self.key and folder == _inside(_above(self.key), DATA):
            if not self.name:
                raise SourceFailed(
                    f"{place} names {key[:200]!r}, which lies beside the export's folder",
                    hint="Have the connection's url end one folder further up, and `files` begin with the export's folder.",
                )
            return _inside(_inside(_above(self.name), DATA), file)
        raise SourceFailed(f"{place} names {key[:200]!r}, which is not in the export's own data folder", hint=_HINT)


def _inside(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _above(folder: str) -> str:
    return folder.rpartition("/")[0]
