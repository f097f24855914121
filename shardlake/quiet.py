"""A quiet end: DuckDB's bindings report leaks at exit that are none, past every logger; psycopg logs each connection that was broken off."""

import atexit
import logging
import os
import sys
from functools import cache


@cache
def hush_at_exit() -> None:
    """Close standard error behind everything else that runs at this process's exit. To be called before others register."""
    atexit.register(_hush)


def _hush() -> None:
    sys.stderr.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def hush_drivers() -> None:
    """Keep psycopg's remarks off standard error where no logging is set up: what they are about is said by the command itself."""
    logging.getLogger("psycopg").addHandler(logging.NullHandler())
