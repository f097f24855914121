"""refresh: the users that are not fresh, from their provider into the warehouse."""

from prefect import task

from blocks.resolve import connect
from examples.refresh_users.refresh import Refresh, Refreshed
from examples.refresh_users.refresh import refresh as refresh_table
from shardlake.connection.kinds import expect
from shardlake.connection.postgres import PostgresWarehouse
from shardlake.ledger.database import open_warehouse
from tasks.retry import STAGE


@task(name="refresh", task_run_name="refresh {spec.table}", **STAGE)
def refresh(spec: Refresh) -> Refreshed:
    """Ask for the users that are not fresh; tried again, it asks for those alone that are still missing."""
    warehouse = expect(connect(spec.warehouse), PostgresWarehouse, f"warehouse: {spec.warehouse}")
    return refresh_table(open_warehouse(warehouse), spec)
