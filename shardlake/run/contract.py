"""What a feed's partitions have in common: columns of one kind each. A partition that differs is named before anything of it moves."""

from collections import Counter
from collections.abc import Mapping

from shardlake.errors import ContractError
from shardlake.view.view import View


def drift(view: View, schemas: Mapping[str, Mapping[str, str]], contract: Mapping[str, str] | None) -> dict[str, ContractError]:
    """The partitions whose columns are not what `contract` says, or what most have where there is none yet."""
    if contract is None:
        votes = Counter(tuple(sorted(found.items())) for found in schemas.values())
        contract = dict(votes.most_common(1)[0][0]) if votes else {}
    odd: dict[str, ContractError] = {}
    for partition, found in schemas.items():
        different = [c for c in view.source_columns if c in contract and c in found and found[c] != contract[c]]
        if different:
            column = different[0]
            odd[partition] = ContractError(
                f"{partition}, {view.source.named}.{column}: is {found[column]} here and {contract[column]} on the other shards",
                hint="Make the shards alike, convert it in extract.sql, or say `source.drift: null` to fill it with NULL.",
            )
    return odd


def columns_as_null(view: View, schema: Mapping[str, str], contract: Mapping[str, str] | None) -> tuple[str, ...]:
    """With `drift: null`, the partition's columns that are of another kind than the contract's."""
    if view.source.drift != "null" or contract is None:
        return ()
    needed = view.source.own_fields
    return tuple(c for c, kind in schema.items() if c not in needed and contract.get(c, kind) != kind)
