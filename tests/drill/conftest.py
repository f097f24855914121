"""All of the drill runs where it is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.drilled import if_asked


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(if_asked)
