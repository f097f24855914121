"""Tests that wait out minutes of silence: they run where SHARDLAKE_TEST_DRILL asks for them, so that all others are done in half an hour."""

from __future__ import annotations

import os

import pytest

ASKED = "SHARDLAKE_TEST_DRILL"
if_asked = pytest.mark.skipif(not os.environ.get(ASKED), reason=f"takes minutes of a quiet machine: {ASKED}=1 asks for it")
