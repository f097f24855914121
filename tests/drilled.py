"""The drill, which stops and kills runs, workers and servers for a quarter of an hour: it runs where SHARDLAKE_TEST_DRILL asks for it."""

from __future__ import annotations

import os

import pytest

ASKED = "SHARDLAKE_TEST_DRILL"
if_asked = pytest.mark.skipif(not os.environ.get(ASKED), reason=f"the drill takes a quarter of an hour: {ASKED}=1 asks for it")
