"""Slots of a source: what keeps the reads of all runs below the connection's cap."""


def limit_name(reference: str) -> str:
    """The global concurrency limit of a source, by its connection.

    >>> limit_name("mysql-shards/shop")
    'shardlake-mysql-shards-shop'
    """
    return f"shardlake-{reference.replace('/', '-')}"
