"""NULL lists of structs in Iceberg tables, which pyiceberg writes and reads as empty ones.

https://github.com/apache/iceberg-python/issues/3833: its projection builds such a list anew and forgets which were NULL. What
is written so cannot be told from an empty list by any reader. Where pyiceberg has mended it, nothing is left to do here.
"""

from functools import cache, wraps
from typing import Any

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
