"""The CloudFormation stack and the job templates: linted, no wider than the manual says, and one fills the other."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cfnlint.decode import decode_str
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

from deployments.job_template import OPTIONAL, TEMPLATES, MissingOutput, fill, load
from shardlake.connection.connection_file import load_connection
from shardlake.errors import SpecError
from tests.prefect_api import PrefectApi
from tests.world import ROOT

FILE = ROOT / "deployments" / "ecs" / "shardlake.cfn.yaml"
GRANTS = (ROOT / "docs" / "reference" / "grants.md").read_text("utf-8")
STACK: dict[str, Any] = json.loads(json.dumps(decode_str(FILE.read_text("utf-8"))[0]))
GUIDE = (ROOT / "docs" / "how-to" / "run-on-ecs.md").read_text("utf-8")
RESOURCES: dict[str, dict[str, Any]] = STACK["Resources"]
POLICIES = [name for name, r in RESOURCES.items() if r["Type"] in ("AWS::IAM::Role", "AWS::IAM::RolePolicy", "AWS::IAM::ManagedPolicy")]
GIVEN = {"ImageUri", "AwsCredentialsBlockId"}
"""Placeholders that no output fills: the image that was pushed, and a block of Prefect's."""


def statements(resource: str) -> list[dict[str, Any]]:
    """Every statement of a role's or policy's own policies."""
    properties = RESOURCES[resource]["Properties"]
    documents = [policy["PolicyDocument"] for policy in properties.get("Policies", [])] or [properties["PolicyDocument"]]
    found = [statement for document in documents for statement in document["Statement"]]
    return [statement["Fn::If"][1] if "Fn::If" in statement else statement for statement in found]


def actions(*resources: str, prefix: str = "") -> set[str]:
    """The actions that are allowed there."""
    found: set[str] = set()
    for resource in resources:
        for statement in statements(resource):
            found |= set([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    return {action for action in found if action.startswith(prefix)}


def documented(row: str) -> set[str]:
    """The actions in a row of the manual's table of what users need to be allowed."""
    line = next(line for line in GRANTS.splitlines() if line.startswith(f"| {row} |"))
    return set(re.findall(r"`((?:s3|kms|glue):\w+)`", line))


def step(number: int) -> str:
    """A step of the guide."""
    return re.split(r"^## ", GUIDE.split(f"\n## {number}. ")[1], flags=re.MULTILINE)[0]


def test_the_guide_commits_what_the_image_is_named_by_and_takes_passwords_from_outside_the_checkout() -> None:
    [third] = re.findall(r"```sh\n(.*?)```", step(3), re.DOTALL)
    assert re.fullmatch(r"git add deployments/connections\.yaml views && git commit .*", third.splitlines()[-1])
    assert "git rev-parse" not in GUIDE.split("git commit")[0]
    assert "TAG=$(git rev-parse --short HEAD)" in step(4)
    files = re.findall(r"file://(\S+)", step(2))
    assert len(files) == 3
    assert all(file.startswith("$HOME/") for file in files)


def test_the_alarm_on_missing_runs_is_set_when_runs_have_come() -> None:
    said = {number: re.findall(r"--parameter-overrides .*RunsMissingSeconds=(\d+)", step(number)) for number in range(1, 9)}
    assert {number: values for number, values in said.items() if values} == {1: ["0"], 8: ["3600"]}
    parameter = STACK["Parameters"]["RunsMissingSeconds"]
    assert {0, 3600} <= set(parameter["AllowedValues"])


def test_connections_name_the_authorities_by_a_variable_that_the_image_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    [inside] = re.findall(r"^\s+CA_BUNDLE_FILE=(\S+)", dockerfile, re.MULTILINE)
    [tls] = re.findall(r"`tls: (\{mode: verify_identity, [^`]*\})`", step(3))
    file = tmp_path / "connections.yaml"
    file.write_text(f"postgres-warehouse/main:\n  url: postgresql://loader@w.example/analytics\n  tls: {tls}\n")
    monkeypatch.delenv("CA_BUNDLE_FILE", raising=False)
    with pytest.raises(SpecError, match=r"\$\{CA_BUNDLE_FILE\} is not set"):
        load_connection(file, "postgres-warehouse/main")
    for place in (inside, str(tmp_path / "bundle.pem")):  # a run's, and an operator's
        monkeypatch.setenv("CA_BUNDLE_FILE", place)
        assert load_connection(file, "postgres-warehouse/main").tls.ca == place  # type: ignore[attr-defined]
    assert f"COPY --from=builder /build/ca {Path(inside).parent}\n" in dockerfile
    assert "export SHARDLAKE_POOL=shardlake-ecs" in GUIDE
    assert "CA_BUNDLE_FILE=$HOME/" in GUIDE
    assert re.search(r"python -m deployments\.ca_bundle https://\S+ \$CA_BUNDLE_FILE\n", step(3))


@pytest.mark.parametrize("file", sorted(FILE.parent.glob("*.cfn.yaml")), ids=lambda file: file.name)
def test_cloudformation_would_take_it(file: Path) -> None:
    linter = Path(sys.executable).parent / "cfn-lint"
    done = subprocess.run([str(linter), str(file)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_run_may_do_what_the_manual_lists_and_no_more() -> None:
    assert actions("TaskRole", "TaskRoleKms", prefix="s3:") | actions("TaskRoleKms") == documented("lake on S3")
    assert actions("TaskRole", prefix="glue:") == documented("lake in Glue")
    assert actions("TaskRole") <= documented("lake on S3") | documented("lake in Glue")
    assert actions("TaskRoleSecrets", "TaskRoleMoreSecrets") == {"secretsmanager:GetSecretValue"}


def test_nothing_is_allowed_on_everything_but_what_knows_no_resource() -> None:
    wide = {
        action
        for resource in POLICIES
        for statement in statements(resource)
        if statement["Resource"] == "*"
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }
    assert wide == {
        "ecr:GetAuthorizationToken", "ecs:RegisterTaskDefinition", "ecs:DescribeTaskDefinition", "ec2:DescribeVpcs", "ec2:DescribeSubnets",
    }  # fmt: skip
    assert "*" not in "".join(actions(*POLICIES))


def test_the_worker_passes_two_roles_and_no_other() -> None:
    [passing] = [s for s in statements("SubmitPolicy") if s["Action"] == "iam:PassRole"]
    assert passing["Resource"] == [{"Fn::GetAtt": ["ExecutionRole", "Arn"]}, {"Fn::GetAtt": ["TaskRole", "Arn"]}]
    assert "iam:PassRole" not in actions("WorkerRole")


def test_the_bucket_is_closed_encrypted_and_by_tls_alone() -> None:
    bucket = RESOURCES["LakeBucket"]["Properties"]
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["BucketEncryption"]
    assert bucket["LifecycleConfiguration"]["Rules"][0]["AbortIncompleteMultipartUpload"]
    [deny] = RESOURCES["LakeBucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert deny["Effect"] == "Deny"
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_what_is_kept_can_never_be_in_the_way_of_the_next_stack() -> None:
    kept = {name: r for name, r in RESOURCES.items() if r.get("DeletionPolicy", "Delete") != "Delete"}
    assert set(kept) == {"LakeBucket", "GlueDatabase", "Repository", "ServiceLinkedRole"}
    assert {r["DeletionPolicy"] for r in kept.values()} == {"RetainExceptOnCreate"}, "a create that fails takes all with it"
    assert not {"BucketName", "RepositoryName"} & {*kept["LakeBucket"]["Properties"], *kept["Repository"]["Properties"]}
    assert {kept["GlueDatabase"]["Condition"], kept["ServiceLinkedRole"]["Condition"]} == {"MakesLakeDatabase", "MakesServiceLinkedRole"}
    assert {STACK["Parameters"][name]["Default"] for name in ("CreateLakeDatabase", "CreateServiceLinkedRole")} == {"false"}


def test_no_image_that_has_a_tag_expires() -> None:
    [rule] = json.loads(RESOURCES["Repository"]["Properties"]["LifecyclePolicy"]["LifecyclePolicyText"])["rules"]
    assert rule["selection"] == {"tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 14}


def test_nothing_comes_in_and_no_task_has_a_public_address() -> None:
    assert "SecurityGroupIngress" not in RESOURCES["SecurityGroup"]["Properties"]
    assert RESOURCES["SecurityGroup"]["Properties"]["SecurityGroupEgress"]
    network = RESOURCES["WorkerService"]["Properties"]["NetworkConfiguration"]["AwsvpcConfiguration"]
    assert network["AssignPublicIp"] == "DISABLED"


def test_secrets_are_shells_and_no_parameter_takes_one() -> None:
    shells = [r for r in RESOURCES.values() if r["Type"] == "AWS::SecretsManager::Secret"]
    assert len(shells) == 4
    assert all(set(r["Properties"]) == {"Name", "Description"} for r in shells)
    assert [name for name in STACK["Parameters"] if re.search(r"Password$|Key$|Token$|Secret$", name)] == []


def test_images_keep_their_tags_and_logs_end_some_day() -> None:
    assert RESOURCES["Repository"]["Properties"]["ImageTagMutability"] == "IMMUTABLE"
    assert RESOURCES["LogGroup"]["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}


def test_the_workers_command_is_one_that_prefect_has() -> None:
    [container] = RESOURCES["WorkerTask"]["Properties"]["ContainerDefinitions"]
    command = [word if isinstance(word, str) else "a-pool" for word in container["Command"]]
    shown = subprocess.run([str(Path(sys.executable).parent / "prefect"), *command[1:3], "--help"], capture_output=True, text=True)
    assert command[:3] == ["prefect", "worker", "start"]
    for option in [word for word in command if word.startswith("--")]:
        assert re.sub(r"-pool-not-found$", "", option)[:20] in shown.stdout, option


@pytest.mark.parametrize("pool_type", TEMPLATES)
def test_the_stacks_outputs_fill_every_placeholder(pool_type: str) -> None:
    placeholders = set(re.findall(r'"<(\w+)>"', json.dumps(load(pool_type))))
    assert placeholders - GIVEN <= set(STACK["Outputs"])
    filled = json.dumps(fill(load(pool_type), {name: f"arn:{name},arn:{name}-2" for name in placeholders}))
    assert re.findall(r'"<\w+>"', filled) == []
    assert '"subnets": ["arn:SubnetIds", "arn:SubnetIds-2"]' in filled


def test_what_is_missing_is_named_and_what_may_be_missing_has_no_default() -> None:
    with pytest.raises(MissingOutput, match=r"ClusterArn, ExecutionRoleArn, ImageUri, .* add NAME=VALUE"):
        fill(load("ecs"), {})
    template = load("ecs")
    placeholders = set(re.findall(r'"<(\w+)>"', json.dumps(template)))
    variables = fill(template, dict.fromkeys(placeholders - OPTIONAL, "x"))["variables"]["properties"]
    assert "default" not in variables["prefect_api_key_secret_arn"]
    assert "default" not in variables["prefect_api_auth_string_secret_arn"]
    assert variables["secrets"]["default"] == []


@pytest.mark.parametrize("pool_type", TEMPLATES)
def test_every_variable_is_used_and_says_what_it_is(pool_type: str) -> None:
    template = load(pool_type)
    used = set(re.findall(r"\{\{ (\w+) \}\}", json.dumps(template["job_configuration"])))
    variables = template["variables"]["properties"]
    assert used == set(variables)
    assert [name for name, variable in variables.items() if len(variable["description"]) < 20] == []
    assert re.findall(r"\b\d{12}\b|AKIA|:secret:", json.dumps(template)) == []


def test_the_push_pools_template_differs_where_it_must_alone() -> None:
    ecs, push = load("ecs"), load("ecs:push")
    for job in (ecs["job_configuration"], push["job_configuration"]):
        job.pop("prefect_api_key_secret_arn", None)
        job.pop("prefect_api_auth_string_secret_arn", None)
    assert ecs["job_configuration"] == push["job_configuration"]
    different = {
        name
        for name in {*ecs["variables"]["properties"], *push["variables"]["properties"]}
        if ecs["variables"]["properties"].get(name) != push["variables"]["properties"].get(name)
    }
    assert different == {"aws_credentials", "env", "secrets", "prefect_api_key_secret_arn", "prefect_api_auth_string_secret_arn"}


def test_the_command_prints_what_a_server_takes_as_a_pool(prefect_api: PrefectApi, tmp_path: Path) -> None:
    said = {name: f"arn:value-of-{name}" for name in STACK["Outputs"]}
    said |= {"LaunchType": "FARGATE_SPOT", "CpuArchitecture": "ARM64", "EphemeralStorage": "50"}
    outputs = [{"OutputKey": name, "OutputValue": value} for name, value in said.items()]
    words = [sys.executable, "-m", "deployments.job_template", "ecs", "ImageUri=repository/shardlake:1a2b3c4"]
    done = subprocess.run(words, cwd=ROOT, input=json.dumps(outputs), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    template = json.loads(done.stdout)
    assert template["variables"]["properties"]["image"]["default"] == "repository/shardlake:1a2b3c4"

    async def create() -> None:
        async with get_client() as client:
            await client.create_work_pool(WorkPoolCreate(name="shardlake-ecs-stack", type="ecs", base_job_template=template))

    with temporary_settings({PREFECT_API_URL: prefect_api.server.api_url, PREFECT_HOME: tmp_path}):
        asyncio.run(create())
    assert prefect_api.get("work_pools/shardlake-ecs-stack")["base_job_template"] == template

    assert _refused(prefect_api, tmp_path, template, "the-password-itself")
    refused = subprocess.run(words[:4], cwd=ROOT, input="[]", capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "nothing is given for ClusterArn" in refused.stderr


def _refused(prefect_api: PrefectApi, home: Path, template: dict[str, Any], secret: str) -> bool:
    """Whether the server takes no pool whose secrets hold a value in place of a reference."""
    template["variables"]["properties"]["secrets"]["default"][0]["valueFrom"] = secret

    async def create() -> None:
        async with get_client() as client:
            await client.create_work_pool(WorkPoolCreate(name="shardlake-ecs-refused", type="ecs", base_job_template=template))

    with (
        temporary_settings({PREFECT_API_URL: prefect_api.server.api_url, PREFECT_HOME: home}),
        pytest.raises(PrefectHTTPStatusError) as error,
    ):
        asyncio.run(create())
    return "secrets[0].valueFrom" in str(error.value)
