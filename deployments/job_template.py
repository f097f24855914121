"""A work pool's base job template with its placeholders filled from the outputs of the CloudFormation stack.

aws cloudformation describe-stacks --stack-name shardlake --query 'Stacks[0].Outputs' --output json |
    python -m deployments.job_template ecs ImageUri=… secret:CRM_PASSWORD=arn:… > pool.json
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

TEMPLATES = {"ecs": "base-job-template.json", "ecs:push": "push-job-template.json"}
OPTIONAL = {"PrefectApiKeySecretArn", "PrefectAuthStringSecretArn", "ShopPasswordSecretArn", "WarehousePasswordSecretArn"}
"""Where the stack has no such output, what would hold it is left out: a variable's default, an entry of `secrets`."""
DEFAULTS = {"LaunchType": "launch_type", "CpuArchitecture": "cpu_architecture", "EphemeralStorage": "ephemeral_storage"}
"""Outputs that take the place of a variable's default."""
ADDED = "secret:"
"""Before a word NAME=ARN: one more environment variable of every run that ECS fills from Secrets Manager."""
_PLACEHOLDER = re.compile(r"<([A-Za-z]+)>")


class MissingOutput(ValueError):
    """A placeholder that nothing was given for; the message names all of them."""


def load(pool_type: str, folder: Path | None = None) -> dict[str, Any]:
    """The template of a pool's type, `ecs` or `ecs:push`, with its placeholders as they are."""
    folder = folder or Path(__file__).parent / "ecs"
    found: dict[str, Any] = json.loads((folder / TEMPLATES[pool_type]).read_text("utf-8"))
    return found


def fill(template: dict[str, Any], values: dict[str, str]) -> dict[str, Any]:
    """The template with each `<Name>` replaced; a list of one placeholder becomes the list of its comma-separated values.

    Values called `secret:NAME` are added to the runs' secrets. Raises MissingOutput.
    """
    missing: set[str] = set()
    result: dict[str, Any] = _fill(template, values, missing)
    if missing:
        raise MissingOutput(f"nothing is given for {', '.join(sorted(missing))}: add NAME=VALUE, or take the outputs of the whole stack")
    variables = result["variables"]["properties"]
    for output, name in DEFAULTS.items():
        if output in values:
            variables[name]["default"] = int(values[output]) if variables[name]["type"] == "integer" else values[output]
    added = {name.removeprefix(ADDED): arn for name, arn in values.items() if name.startswith(ADDED)}
    kept = [entry for entry in variables["secrets"]["default"] if entry["name"] not in added]
    variables["secrets"]["default"] = kept + [{"name": name, "valueFrom": arn} for name, arn in added.items()]
    return result


def _fill(part: Any, values: dict[str, str], missing: set[str]) -> Any:
    if isinstance(part, dict):
        return {key: _fill(item, values, missing) for key, item in part.items() if not (key == "default" and _absent(item, values))}
    if isinstance(part, list):
        if len(part) == 1 and isinstance(part[0], str) and (named := _PLACEHOLDER.fullmatch(part[0])) and named[1] in values:
            return [item.strip() for item in values[named[1]].split(",")]
        present = [item for item in part if not (isinstance(item, dict) and _absent(item.get("valueFrom"), values))]
        return [_fill(item, values, missing) for item in present]
    if isinstance(part, str) and (named := _PLACEHOLDER.fullmatch(part)):
        if named[1] in values:
            return values[named[1]]
        missing.add(named[1])
    return part


def _absent(item: Any, values: dict[str, str]) -> bool:
    """Whether this is an optional placeholder that nothing was given for."""
    named = _PLACEHOLDER.fullmatch(item) if isinstance(item, str) else None
    return named is not None and named[1] in OPTIONAL and named[1] not in values


def main(arguments: list[str]) -> int:
    """Fill the template of the named pool type from outputs on standard input and NAME=VALUE words, and print it."""
    if not arguments or arguments[0] not in TEMPLATES:
        sys.stderr.write(
            f"usage: python -m deployments.job_template {'|'.join(TEMPLATES)} [NAME=VALUE …] [secret:NAME=ARN …] < outputs.json\n"
        )
        return 2
    outputs = json.load(sys.stdin) or []
    values = {o["OutputKey"]: o["OutputValue"] for o in outputs} | dict(word.split("=", 1) for word in arguments[1:] if "=" in word)
    try:
        filled = fill(load(arguments[0]), values)
    except MissingOutput as error:
        sys.stderr.write(f"{error}\n")
        return 1
    json.dump(filled, sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
