"""References to secrets: resolved where they stand, named when they are missing, and never shown."""

from __future__ import annotations

import json
from pathlib import Path

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from shardlake.connection import secret
from shardlake.connection.secret import expand, redact
from shardlake.errors import SpecError

CANARY = "c4nary/p@ss:w%rd#?"


def test_references_are_resolved_wherever_they_stand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SHOP_PASSWORD", CANARY)
    (tmp_path / "key").write_text("from a file\n")
    found = expand(
        {
            "password": "${SHOP_PASSWORD}",
            "overrides": {"shop_03": {"password": f"a-${{file:{tmp_path}/key}}-z"}},
            "shards": ["x${SHOP_PASSWORD}", 5, None],
        },
        "here",
    )
    assert found == {"password": CANARY, "overrides": {"shop_03": {"password": "a-from a file-z"}}, "shards": [f"x{CANARY}", 5, None]}


def test_only_one_last_line_break_of_a_file_is_left_away(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(" spaces \n\n")
    assert expand(f"${{file:{tmp_path}/key}}", "here") == " spaces \n"


def test_a_secret_that_looks_like_a_reference_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTER", "${INNER}")
    monkeypatch.setenv("INNER", CANARY)
    assert expand("${OUTER}", "here") == "${INNER}"


def test_text_without_a_reference_stays_as_it_is() -> None:
    assert expand("$HOME {x} $ {} ${} 100%", "here") == "$HOME {x} $ {} ${} 100%"


@pytest.mark.parametrize(("reference", "message"), [
    ("${NOT_SET}", "c.yaml: mysql-shards/shop.password: ${NOT_SET} is not set. Set it in the environment of this process."),
    ("${file:/nowhere/key}", "c.yaml: mysql-shards/shop.password: ${file:/nowhere/key} cannot be read (FileNotFoundError). Check the reference and the rights to it."),
    ("${file:/}", "c.yaml: mysql-shards/shop.password: ${file:/} cannot be read (IsADirectoryError). Check the reference and the rights to it."),
    ("${vault:x}", "c.yaml: mysql-shards/shop.password: ${vault:x} is no reference; write ${NAME}, ${file:PATH} or ${aws:SECRET_ID#KEY}"),
    ("${file:\0}", "c.yaml: mysql-shards/shop.password: ${file:\0} cannot be read (ValueError). Check the reference and the rights to it."),
])  # fmt: skip
def test_a_reference_that_leads_nowhere_is_named_with_its_place(reference: str, message: str) -> None:
    with pytest.raises(SpecError) as refusal:
        expand({"password": reference}, "c.yaml: mysql-shards/shop")
    assert str(refusal.value) == message
    assert refusal.value.__cause__ is None
    assert refusal.value.__context__ is None or refusal.value.__suppress_context__


def test_secrets_of_aws_are_read_whole_or_by_a_key_of_their_json(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "eu-central-1"}.items():
        monkeypatch.setenv(name, value)
    secret._aws_secret.cache_clear()
    with mock_aws():
        client = boto3.client("secretsmanager")
        client.create_secret(Name="prod/shop", SecretString=json.dumps({"password": CANARY, "port": 3306}))
        client.create_secret(Name="plain", SecretString=CANARY)
        assert expand(["${aws:plain}", "${aws:prod/shop#password}", "${aws:prod/shop#port}"], "here") == [CANARY, CANARY, "3306"]
        for reference, reason in (
            ("${aws:prod/shop#nope}", "is not set"),
            ("${aws:gone}", "cannot be read (ResourceNotFoundException)"),
            ("${aws:plain#key}", "cannot be read (JSONDecodeError)"),
        ):
            with pytest.raises(SpecError) as refusal:
                expand(reference, "here")
            assert f"here: {reference} {reason}" in str(refusal.value)
            assert CANARY not in str(refusal.value)
    secret._aws_secret.cache_clear()


def test_a_secret_is_taken_out_of_text_in_each_of_its_spellings() -> None:
    text = f"login shop:{CANARY}@db failed; mysql://shop:c4nary%2Fp%40ss%3Aw%25rd%23%3F@db; c4nary/p%40ss%3Aw%25rd%23%3F"
    assert redact(text, [CANARY]) == "login shop:***@db failed; mysql://shop:***@db; ***"
    assert redact("nothing to hide", ["", CANARY]) == "nothing to hide"


def test_of_two_secrets_that_contain_each_other_nothing_is_left() -> None:
    assert "word" not in redact("password and pass", ["pass", "password"])
    assert "word" not in redact("password and pass", ["password", "pass"])


@given(st.lists(st.text(st.characters(exclude_characters="*", exclude_categories=["Cs"]), min_size=4), min_size=1, max_size=4), st.text())
def test_no_secret_is_left_in_any_text(secrets: list[str], around: str) -> None:
    shown = redact(around.join(["", *secrets, ""]), secrets)
    assert not [s for s in secrets if s in shown]
