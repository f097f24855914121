"""`shardlake infer` and `check`, the real commands, on views whose columns are inferred."""

from __future__ import annotations

import json

from tests.dynamodb_world import CANARY, TablesMaker, fin, view


def test_infer_says_what_is_new_and_wider_and_ends_with_1_where_a_view_fails(tables: TablesMaker) -> None:
    w = tables(view(columns="inferred"))
    w.create()
    w.put(fin("a", 1, count={"N": "7"}))
    assert w.command("check").stdout.splitlines()[-2:] == [
        "not checked are the columns of finances: they come from the lake (columns: inferred), as `plan` shows", "1 views, 0 problems"
    ]  # fmt: skip
    asked = w.command("status")
    assert "finances: its columns are inferred, and no schema of them is kept yet" in asked.stdout + asked.stderr
    assert not (w.folder / "lake" / "schemas").exists()
    first = w.command("infer", "finances")
    assert (first.returncode, first.stderr) == (0, "")
    day = json.loads(w.command("infer", "--json").stdout)["views"][0]["at"][:10]
    assert first.stdout.splitlines()[0] == f"finances: schema 1 of {day}, 6 columns are new"
    w.put(fin("b", 1, count={"N": "7.5"}, city={"S": "Ulm"}))
    assert w.command("infer").stdout == (
        f"finances: schema 2 of {day}, 1 column is new, 1 column is wider\n  city text is new\n  count bigint becomes numeric\n"
    )
    assert w.command("infer").stdout == f"finances: schema 2 of {day} stays, nothing is new\n"
    w.delete("a", "FIN#1")
    w.delete("b", "FIN#1")
    gone = w.command("infer", "--json")
    assert (gone.returncode, json.loads(gone.stdout)["ok"], list(json.loads(gone.stdout)["failed"])) == (1, False, ["finances"])
    assert CANARY not in gone.stdout + gone.stderr


def test_a_view_that_names_its_columns_has_no_schema_to_renew(tables: TablesMaker) -> None:
    w = tables()
    w.create()
    w.put(fin("a", 1))
    done = w.command("infer", "finances")
    assert (done.returncode, done.stderr.splitlines()) == (
        1, ["finances: its columns are not inferred. Only views with `columns: inferred` have a schema."]
    )  # fmt: skip
    assert w.command("infer").stdout == "no view says `columns: inferred`\n"
