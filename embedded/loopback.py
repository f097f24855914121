"""Ports on 127.0.0.1."""

import random
import socket

HOST = "127.0.0.1"

_BELOW_THE_EPHEMERAL = range(20_000, 32_000)


def free_port() -> int:
    """A port that nobody listens on, and that stays free while its server is down.

    Not one that the kernel hands out for port 0: those come from the range from which outgoing
    connections take theirs (32768 and up on Linux), and a server that is killed and started again
    would now and then find its port gone.
    """
    for port in random.sample(_BELOW_THE_EPHEMERAL, 200):
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise OSError(f"200 ports of {_BELOW_THE_EPHEMERAL} were all taken on {HOST}")
