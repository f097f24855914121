"""The task sizes that Fargate takes: with each CPU size certain amounts of memory. Others are refused when a run is to begin."""

from collections.abc import Iterable, Mapping
from typing import Any

from deployments.deployed import Deployed
from shardlake.errors import SpecError

MEMORY: Mapping[int, range | tuple[int, ...]] = {
    256: (512, 1024, 2048),
    512: range(1024, 4096 + 1, 1024),
    1024: range(2048, 8192 + 1, 1024),
    2048: range(4096, 16384 + 1, 1024),
    4096: range(8192, 30720 + 1, 1024),
    8192: range(16384, 61440 + 1, 4096),
    16384: range(32768, 122880 + 1, 8192),
}
"""MiB of memory by CPU units, for Linux. docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html"""
_OF_PREFECT = {"cpu": 1024, "memory": 2048}
"""What prefect-aws gives a task where neither deployment nor pool say."""


def must_fit(deployments: Iterable[Deployed], template: Mapping[str, Any] | None) -> None:
    """Raise SpecError where a deployment, with what its pool's template gives by default, asks for a size that Fargate lacks."""
    properties = (template or {}).get("variables", {}).get("properties", {})
    defaults = {name: properties.get(name, {}).get("default") for name in ("cpu", "memory", "launch_type")}
    if defaults["launch_type"] in ("EC2", "EXTERNAL"):
        return
    for deployed in deployments:
        given = deployed.fields["job_variables"]
        cpu, memory = (int(given.get(name) or defaults[name] or value) for name, value in _OF_PREFECT.items())
        if memory not in MEMORY.get(cpu, ()):
            raise SpecError(f"{_named(deployed)}: run: Fargate has no task of cpu {cpu} with memory {memory}MB", hint=_fitting(cpu))


def _named(deployed: Deployed) -> str:
    return f"the group {deployed.name}" if deployed.fields["parameters"].get("views") else deployed.name


def _fitting(cpu: int) -> str:
    """What goes with a CPU size.

    >>> _fitting(256), _fitting(512)
    ('With cpu 256 go 512, 1024 or 2048MB.', 'With cpu 512 go 1024 to 4096MB, in steps of 1024MB.')
    >>> _fitting(300)
    'Its cpu is one of 256, 512, 1024, 2048, 4096, 8192, 16384.'
    """
    sizes = MEMORY.get(cpu)
    if sizes is None:
        return f"Its cpu is one of {', '.join(map(str, MEMORY))}."
    if isinstance(sizes, range):
        return f"With cpu {cpu} go {sizes[0]} to {sizes[-1]}MB, in steps of {sizes.step}MB."
    return f"With cpu {cpu} go {', '.join(map(str, sizes[:-1]))} or {sizes[-1]}MB."
