"""Real servers for the demo, the tests and the bench: MariaDB, Postgres, SeaweedFS, Prefect.

What belongs here finds a server on whatever machine this is, starts it on the loopback with a
data folder of its own, and takes it away again. Nothing here is mocked: a row that a test reads
back went through InnoDB or Postgres. The engine never imports this room, and nothing deployed
ships it.

    with obtain_mariadb(folder) as shard, obtain_postgres(folder) as warehouse:
        shard.execute("CREATE DATABASE shop_00")
        warehouse.createdb("analytics")

`obtain_mariadb` and `obtain_postgres` try four ways in turn and name all of them when none works: a
URL in the environment, programs on this machine (for Postgres also those in a wheel), apt, Docker
Compose. SeaweedFS comes from a wheel alone.
"""

from embedded.machine import NO_SERVERS, Machine, NoServer
from embedded.mariadb import MariaDB, obtain_mariadb
from embedded.postgres import Postgres, obtain_postgres, obtain_wheel_postgres
from embedded.prefect_server import PrefectServer
from embedded.seaweedfs import SeaweedFS, obtain_seaweedfs
from embedded.server import NotOurs, ServerFailed

__all__ = [
    "NO_SERVERS",
    "Machine",
    "MariaDB",
    "NoServer",
    "NotOurs",
    "Postgres",
    "PrefectServer",
    "SeaweedFS",
    "ServerFailed",
    "obtain_mariadb",
    "obtain_postgres",
    "obtain_seaweedfs",
    "obtain_wheel_postgres",
]
