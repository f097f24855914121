"""Tests that stop servers and workers for minutes: they run where SHARDLAKE_TEST_DRILL asks for them, on a machine that has nothing else to do."""

from __future__ import annotations

import os

import pytest

ASKED = "SHARDLAKE_TEST_DRILL"
if_asked = pytest.mark.skipif(not os.environ.get(ASKED), reason=f"takes minutes of a quiet machine: {ASKED}=1 asks for it")
