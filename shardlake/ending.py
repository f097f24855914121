"""The end of a process that is there for runs alone: told of SIGTERM at once, and gone in time even where something hangs."""

import os
import signal
import socket
import sys
from functools import cache
from threading import Thread, Timer

from shardlake.cancellation import break_off_all

LAST_RESORT = 12.0
"""Seconds between a signal, or a run's timeout, and the hard end of the process. It is less than the 20 to 30 that whoever stops it waits
before SIGKILL, and more than a broken-off run takes (1 to 5), unless a call hangs that nothing can break off: Prefect's API, S3.
"""
_ENDS = {signal.SIGTERM, signal.SIGINT}


@cache
def heed_signals() -> None:
    """From now on SIGTERM and SIGINT break off every run of this process at once, and end it within LAST_RESORT. To be called in the main
    thread.

    It is no handler, and leaves those that there are: Python tells a socket of the signal when it comes. A handler runs when the main
    thread comes to its next instruction, and by then a step may have begun another reading.
    """
    heard, told = socket.socketpair()
    told.setblocking(False)
    signal.set_wakeup_fd(told.detach(), warn_on_full_buffer=False)
    Thread(target=_listen, args=(heard,), daemon=True, name="signals").start()


def end_within(seconds: float) -> Timer:
    """End this process when the seconds are over, unless the timer is cancelled: without another word, as a kill would.

    The readers end with it, and Postgres gives its claims back when their session is gone: nobody enters beside it before.
    """
    timer = Timer(seconds, _end)
    timer.daemon = True
    timer.start()
    return timer


def _listen(heard: socket.socket) -> None:
    while numbers := heard.recv(64):
        if _ENDS & set(numbers):
            end_within(LAST_RESORT)
            break_off_all()


def _end() -> None:
    sys.stderr.write("shardlake: something hangs that could not be broken off; the process ends without it\n")
    sys.stderr.flush()
    os._exit(128 + signal.SIGTERM)
