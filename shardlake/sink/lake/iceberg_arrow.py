"""Arrow's tables as Iceberg has them: without integers of 16 bits, which it lacks, and with their NULL lists.

pyiceberg writes and reads NULL lists of structs as empty ones (https://github.com/apache/iceberg-python/issues/3833): its
projection builds such a list anew and forgets which were NULL. What is written so cannot be told from an empty list by any
reader. Where pyiceberg has mended it, `keep_null_lists` changes nothing.
"""

from functools import cache, wraps
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.io.pyarrow import ArrowProjectionVisitor


@cache
def keep_null_lists() -> None:
    """Have pyiceberg, in this process, keep them."""
    projected: Any = ArrowProjectionVisitor.list

    @wraps(projected)
    def whole(self: Any, list_type: Any, list_array: Any, value_array: Any) -> Any:
        found = projected(self, list_type, list_array, value_array)
        if found is None or found.null_count == list_array.null_count:
            return found
        offsets = pc.add(found.offsets, 0)  # a copy: a mask goes with no slice
        return type(found).from_arrays(offsets, found.values, type=found.type, mask=list_array.is_null())

    setattr(ArrowProjectionVisitor, "list", whole)  # noqa: B010  # an assignment is none that mypy allows


def wide(table: pa.Table) -> pa.Table:
    """The table with integers of 32 bits where it has such of 16, at any depth."""
    return table.cast(pa.schema([f.with_type(_wide(f.type)) for f in table.schema]))


def _wide(type_: pa.DataType) -> pa.DataType:
    if pa.types.is_list(type_):
        return pa.list_(type_.value_field.with_type(_wide(type_.value_type)))
    if pa.types.is_struct(type_):
        return pa.struct([f.with_type(_wide(f.type)) for f in type_])
    return pa.int32() if type_ == pa.int16() else type_
