"""Reading an image in its registry: its version and its views, whatever its layers are. The registry is an emulator."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from deployments.image import read_image, trusted
from deployments.registry import credentials
from deployments.server import PublishRefused
from shardlake.version import definition
from tests.registry import FakeRegistry, fake_registry

ORDERS, OTHER, SQL = b"name: orders\n", b"name: orders\nowner: another\n", b"SELECT 1"
IS_ORDERS, IS_OTHER = definition([("view.yaml", ORDERS)]), definition([("view.yaml", OTHER)])
WITH_SQL = definition([("view.yaml", ORDERS), ("extract.sql", SQL)])


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with fake_registry() as fake:
        yield fake


def test_version_and_views_are_read_from_the_image_itself(registry: FakeRegistry) -> None:
    files = {"app/views/orders/view.yaml": ORDERS, "app/views/items/view.yaml": ORDERS, "app/views/items/extract.sql": SQL}
    notes = {"app/views/README.md": b"x", "app/views/orders/notes.md": b"x", "app/views/empty/extract.sql": SQL, "etc/view.yaml": b"x"}
    digest = registry.push("1", {"opt/shardlake/bin/python": b"x"}, files | notes, revision="1a2b3c4")
    image = f"{registry.host}/shardlake"
    for name in (f"{image}:1", f"{image}@{digest}"):
        found = read_image(name)
        assert (found.name, found.version, found.views) == (name, "1a2b3c4", {"orders": IS_ORDERS, "items": WITH_SQL})
    assert found.lacks({"orders": IS_ORDERS, "items": WITH_SQL}) == []
    assert found.lacks({"orders": IS_OTHER, "new": IS_ORDERS}) == ["new is not in it", "orders is another there than here"]


def test_a_layer_lies_over_those_below_it(registry: FakeRegistry) -> None:
    below = {f"app/views/{name}/view.yaml": ORDERS for name in ("orders", "gone", "emptied", "kept")}
    below["app/views/emptied/extract.sql"] = SQL
    above = {
        "./app/views/orders/view.yaml": OTHER,
        "app/views/.wh.gone": b"",
        "app/views/emptied/.wh..wh..opq": b"",
        "app/views/emptied/view.yaml": ORDERS,
    }
    registry.push("1", below, above)
    assert read_image(f"{registry.host}/shardlake:1").views == {"orders": IS_OTHER, "emptied": IS_ORDERS, "kept": IS_ORDERS}
    registry.push("2", below, {"app/.wh.views": b""}, {"app/views/kept/view.yaml": ORDERS}, packed=False)
    assert read_image(f"{registry.host}/shardlake:2").views == {"kept": IS_ORDERS}


def test_large_layers_are_read_only_where_no_small_one_has_views(registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deployments.image.SMALL", 1000)
    large = {"opt/large": os.urandom(2000)}
    registry.push("1", large, {"app/views/orders/view.yaml": ORDERS})
    registry.push("squashed", large | {"app/views/orders/view.yaml": ORDERS})
    assert read_image(f"{registry.host}/shardlake:1").views == {"orders": IS_ORDERS}
    assert not asked(registry, "1")
    assert read_image(f"{registry.host}/shardlake:squashed").views == {"orders": IS_ORDERS}
    assert asked(registry, "squashed")


def asked(registry: FakeRegistry, tag: str) -> bool:
    """Whether the lowest layer of an image was asked for."""
    lowest = json.loads(registry.manifests[tag][1])["layers"][0]["digest"]
    return any(lowest in path for path in registry.asked)


def test_of_a_name_for_several_machines_the_one_that_runs_is_read(registry: FakeRegistry) -> None:
    amd = registry.push("amd", {"app/views/orders/view.yaml": ORDERS}, revision="amd")
    arm = registry.push("arm", {"elsewhere/orders/view.yaml": OTHER}, revision="arm", views="/elsewhere", architecture="arm64")
    registry.push_index("both", amd64=amd, arm64=arm)
    registry.push_index("one", arm64=arm)
    image = f"{registry.host}/shardlake"
    assert (read_image(f"{image}:both").version, read_image(f"{image}:both", "arm64").views) == ("amd", {"orders": IS_OTHER})
    said = "has nothing for linux/amd64, which the work pool's runs are. Build it with --platform linux/amd64"
    for name in ("one", "arm"):  # a name for several machines, and an image of its own
        with pytest.raises(PublishRefused, match=f"the image {image}:{name} {said}"):
            read_image(f"{image}:{name}")
    with pytest.raises(PublishRefused, match="has nothing for linux/arm64"):
        read_image(f"{image}:amd", "arm64")


def test_what_cannot_be_read_is_refused_with_what_to_do(registry: FakeRegistry) -> None:
    image = f"{registry.host}/shardlake"
    said = "so that nobody knows which views are in it. Log in to its registry as for a push .* or say --trust-image"
    with pytest.raises(PublishRefused, match=rf"the image {image}:none cannot be read \(HTTP 404\), {said}"):
        read_image(f"{image}:none")
    with pytest.raises(PublishRefused, match=r"cannot be read \(ConnectError\)"):
        read_image("127.0.0.1:9/shardlake:1")
    registry.push("1", {"app/views/orders/view.yaml": ORDERS})
    layer = json.loads(registry.manifests["1"][1])["layers"][0]["digest"]
    registry.blobs[layer] = registry.blobs[layer] + b"\0"
    with pytest.raises(PublishRefused, match="is not what the registry sent"):
        read_image(f"{image}:1")


@pytest.mark.parametrize("bearer", [False, True])
def test_who_logged_in_with_docker_is_let_in(registry: FakeRegistry, bearer: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry.login, registry.bearer = ("somebody", "their-password"), bearer
    registry.push("1", {"app/views/orders/view.yaml": ORDERS})
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with pytest.raises(PublishRefused, match="HTTP" if not bearer else "HTTPStatusError"):
        read_image(f"{registry.host}/shardlake:1")
    auth = base64.b64encode(b"somebody:their-password").decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {registry.host: {"auth": auth}}}))
    assert read_image(f"{registry.host}/shardlake:1").views == {"orders": IS_ORDERS}
    helper = tmp_path / "docker-credential-mine"
    helper.write_text('#!/bin/sh\nread host; echo "{\\"Username\\": \\"somebody\\", \\"Secret\\": \\"their-password\\"}"\n')
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (tmp_path / "config.json").write_text(json.dumps({"credsStore": "mine"}))
    assert read_image(f"{registry.host}/shardlake:1").views == {"orders": IS_ORDERS}


def test_for_ecr_aws_gives_the_login(moto_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"AWS_ENDPOINT_URL": moto_server, "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}.items():
        monkeypatch.setenv(name, value)
    expected = boto3.client("ecr", region_name="eu-west-1").get_authorization_token()["authorizationData"][0]["authorizationToken"]
    found = credentials("123456789012.dkr.ecr.eu-west-1.amazonaws.com")
    assert found is not None
    assert found[0] == "AWS"
    assert base64.b64decode(expected).decode() == ":".join(found)


def test_the_version_of_an_image_on_trust_is_its_tag_or_the_beginning_of_its_digest() -> None:
    assert (trusted("host.example/shardlake:1a2b3c4").version, trusted("host.example/shardlake:1a2b3c4").views) == ("1a2b3c4", None)
    assert trusted("host.example/shardlake@sha256:" + "ab" * 32).version == "sha256:abababababab"
