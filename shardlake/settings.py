"""Where a user's views and connections are: the environment says it, so that flows and their processes know it too."""

import os
from pathlib import Path


def views_folder() -> Path:
    """The folder of the views: SHARDLAKE_VIEWS, or `views` here."""
    return Path(os.environ.get("SHARDLAKE_VIEWS") or "views")


def connections_file() -> Path | None:
    """The file of the connections: SHARDLAKE_CONNECTIONS. None where it is not set; Prefect's blocks are taken then."""
    named = os.environ.get("SHARDLAKE_CONNECTIONS")
    return Path(named) if named else None


def ledger_variable() -> str | None:
    """SHARDLAKE_LEDGER: the connection of the ledger where it is not the warehouse, for runs whose connections are Prefect's blocks."""
    return os.environ.get("SHARDLAKE_LEDGER") or None


def project_file() -> Path:
    """The file of the project: SHARDLAKE_PROJECT, or `prefect.yaml` here."""
    return Path(os.environ.get("SHARDLAKE_PROJECT") or "prefect.yaml")
