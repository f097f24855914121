"""The flow infer-schemas on a real Prefect server."""

from __future__ import annotations

import subprocess
import sys

from tests.dynamodb_world import Tables, TablesMaker, fin, view
from tests.prefect_api import PrefectApi
from tests.world import ROOT

CODE = "from flows.infer_schemas import infer_schemas\nstate = infer_schemas(return_state=True)\nprint(state.type.value, state.message, sep='|')\n"


def flow(w: Tables, prefect_api: PrefectApi) -> list[str]:
    """Type and message of the state in which the flow ends."""
    environment = w.environment() | prefect_api.server.environment()
    done = subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()[-1].split("|")


def test_the_flow_renews_every_schema_and_names_the_view_that_fails(tables: TablesMaker, prefect_api: PrefectApi) -> None:
    w = tables(view(columns="inferred"))
    w.create()
    w.put(fin("a", 1))
    w.must_sync()
    w.put(fin("b", 1, city={"S": "Ulm"}))
    w.write_files()
    w.view = {**w.view, "name": "invoices", "source": {**w.view["source"], "item": "sk begins_with 'INV#'"}}
    w.write_files()
    platform = w.name("platform")
    w.view = {**w.view, "name": "finances"}
    kind, message = flow(w, prefect_api)
    assert (kind, message) == (
        "FAILED",
        f"invoices: {platform} holds nothing yet that the view takes, so that its columns cannot be inferred."
        " Run `shardlake infer invoices` when there are rows, or write the columns into the view.",
    )
    (w.folder / "views" / "invoices" / "view.yaml").unlink()
    assert flow(w, prefect_api) == ["COMPLETED", "every schema is what it was"]
    assert len(list((w.folder / "lake" / "schemas" / "finances").iterdir())) == 2
