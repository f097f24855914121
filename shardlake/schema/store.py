"""Schemas in the lake: `schemas/<view>/<version>.json`. Each is written once, by one writer, and never again."""

import re

import obstore
from obstore.exceptions import AlreadyExistsError
from obstore.store import ObjectStore

from shardlake.errors import LakeUnavailable
from shardlake.raw.store import get
from shardlake.schema.schema import FOLDER, Schema, key_of

_NAME = re.compile(r"(\d{6,})\.json")


def newest(store: ObjectStore, view: str) -> Schema | None:
    """The view's newest schema; None where there is none. Raises SpecError for one that is damaged, LakeUnavailable."""
    prefix = f"{FOLDER}/{view}/"
    try:
        names = [str(one["path"]).rpartition("/")[2] for listed in obstore.list(store, prefix=prefix) for one in listed]
    except Exception as error:  # noqa: BLE001 - obstore's errors share no base, and may hold addresses
        raise LakeUnavailable(f"{prefix} cannot be listed ({type(error).__name__})", hint="Check the rights to the lake.") from None
    versions = [int(found[1]) for name in names if (found := _NAME.fullmatch(name))]
    if not versions:
        return None
    version = max(versions)
    return Schema.read(get(store, key_of(view, version)), view, version)


def keep(store: ObjectStore, schema: Schema) -> bool:
    """Write a schema. Returns False, with nothing written, where another has its version already. Raises LakeUnavailable."""
    key, content = key_of(schema.view, schema.version), schema.written()
    try:
        obstore.put(store, key, content, mode="create")
    except AlreadyExistsError:
        return get(store, key) == content  # ours, where only the reply was lost
    except Exception as error:  # noqa: BLE001 - as above
        raise LakeUnavailable(f"{key} cannot be written ({type(error).__name__})", hint="Check space and rights of the lake.") from None
    return True
