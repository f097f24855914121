"""What a deployment runs: its version and image, the definitions of its views, and the one thing that it may be run for."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from deployments.deployed import Deployed
from deployments.image import Image, named, read_image, trusted
from deployments.server import PublishRefused
from shardlake.version import definition_here, running_version

CANARY = "shardlake:canary"
"""The tag of a deployment that runs an image of its own, until it is told otherwise. Neither a view nor prefect.yaml may name it."""
_ROOM = 4000
"""Characters of definitions that a job is given at most: ECS takes 8 KB of overrides in all."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What `publish` was told beside the views: one `view` (or group) alone, an `image`, whether the pool was given on the
    command line (`pool_named`), and whether an image is taken on trust (`trust`)."""

    view: str | None = None
    image: str | None = None
    pool_named: bool = False
    trust: bool = False

    @property
    def ends_canaries(self) -> bool:
        """Whether every deployment is to run one image, canaries too."""
        return self.image is not None and self.view is None


ALL = Wish()
"""All views, by the pool's own image."""


@dataclass(frozen=True, slots=True)
class Release:
    """What is published: a version, the image that it is where runs have one, and whether it is a canary."""

    version: str
    image: str | None = None
    canary: bool = False

    def of(self, deployed: Deployed) -> Deployed:
        """A deployment that bears this release."""
        variables = deployed.fields["job_variables"]
        env = dict(variables.get("env", {}))
        if self.image:
            variables, env = {**variables, "image": self.image}, {**env, "SHARDLAKE_IMAGE": self.image}
        if said := definitions(views_of(deployed)):
            env["SHARDLAKE_DEFINITIONS"] = said
        tags = {*deployed.fields["tags"], CANARY} if self.canary else set(deployed.fields["tags"])
        changed = {"version": self.version, "job_variables": {**variables, "env": env}, "tags": sorted(tags)}
        return replace(deployed, fields={**deployed.fields, **changed})


def views_of(deployed: Deployed) -> list[str]:
    """The views that a deployment is for, as its parameters name them."""
    given = deployed.fields["parameters"]
    return [given["view"]] if given.get("view") else list(given.get("views") or [])


def definitions(views: Iterable[str]) -> str:
    """The definitions of views as a run is given them; empty where they are too many for a job's environment."""
    said = " ".join(f"{name}={found}" for name in views if (found := definition_here(name)))
    return said if len(said) <= _ROOM else ""


def fixed(deployed: Deployed) -> Deployed:
    """A deployment whose runs are for its own views: a parameter schema that takes no other, which the server holds every run against."""
    schema, given = deployed.fields["parameter_openapi_schema"], deployed.fields["parameters"]
    own: dict[str, Any] = {}
    if "view" in given:
        own["view"] = {**schema["properties"]["view"], "enum": [given["view"]]}
    if "views" in given:
        kept = {k: v for k, v in schema["properties"]["views"].items() if k in ("title", "description", "position")}
        own["views"] = {**kept, "type": "array", "items": {"type": "string", "enum": given["views"]}, "const": given["views"]}
    required = sorted({*schema.get("required", []), *own})
    changed = {**schema, "properties": {**schema["properties"], **own}, "required": required}
    return replace(deployed, fields={**deployed.fields, "parameter_openapi_schema": changed})


def pinned(deployed: Deployed) -> Deployed:
    """A check whose runs tell whom it was published to tell, and wait as long: a parameter schema that takes no other blocks or times."""
    schema, given = deployed.fields["parameter_openapi_schema"], deployed.fields["parameters"]
    own = {name: schema["properties"][name] for name in ("notify", "heartbeat", "silence", "pending")}
    fixed = {name: {**found, "const": given.get(name, found.get("default"))} for name, found in own.items()}
    changed = {**schema, "properties": {**schema["properties"], **fixed}}
    return replace(deployed, fields={**deployed.fields, "parameter_openapi_schema": changed})


def image_of_pool(template: Mapping[str, Any] | None) -> str | None:
    """The image that a work pool gives its runs; empty where it could and names none, None where its runs have none."""
    properties = (template or {}).get("variables", {}).get("properties", {})
    return (properties["image"].get("default") or "") if "image" in properties else None


def with_image(template: Mapping[str, Any], image: str) -> dict[str, Any]:
    """A work pool's template that gives its runs another image."""
    variables = template["variables"]
    properties = {**variables["properties"], "image": {**variables["properties"]["image"], "default": image}}
    return {**template, "variables": {**variables, "properties": properties}}


def release(pool: str, template: Mapping[str, Any] | None, wish: Wish, views: Iterable[str]) -> Release:
    """The release that a wish comes to on a pool with that template, for these views.

    Raises PublishRefused where the pool's runs have no image, or the image lacks a view, has another, or cannot be read.
    """
    of_pool = image_of_pool(template)
    if of_pool is None and wish.image:
        raise PublishRefused(
            f"the runs of the work pool {pool} are processes of its worker, and have no image of their own",
            hint="Start its worker from that image, or name a pool of containers with --pool.",
        )
    if not (name := named(wish.image, of_pool) if wish.image else of_pool):
        return Release(running_version())
    architecture = (template or {}).get("variables", {}).get("properties", {}).get("cpu_architecture", {}).get("default")
    image: Image = trusted(name) if wish.trust else read_image(name, "arm64" if architecture == "ARM64" else "amd64")
    wanted = {view: found for view in views if (found := definition_here(view))}
    if wrong := image.lacks(wanted):
        raise PublishRefused(
            f"the image {name} (version {image.version}) is not what would be published: {', '.join(wrong[:10])}"
            + (f" and {len(wrong) - 10} more" if len(wrong) > 10 else ""),
            hint="Build and push an image of these views, or publish from the checkout that the image was built of.",
        )
    return Release(image.version, name, canary=bool(wish.view and wish.image and name != of_pool))
