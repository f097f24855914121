"""The drill stops servers and workers for minutes: it runs where SHARDLAKE_TEST_DRILL asks for it, on a machine that has nothing else to do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ASKED = "SHARDLAKE_TEST_DRILL"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.environ.get(ASKED):
        return
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=f"a quarter of an hour on a quiet machine: {ASKED}=1 asks for it"))
