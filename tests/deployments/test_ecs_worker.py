"""The real ECS worker of prefect-aws, a real Prefect server, and moto's ECS, EC2 and SQS, which are emulators: what AWS is asked for."""

from __future__ import annotations

import asyncio
import copy
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import boto3
import pytest
from moto.ec2.utils import generate_instance_identity_document
from moto.server import ThreadedMotoServer
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_KEY,
    PREFECT_API_URL,
    PREFECT_HOME,
    PREFECT_SERVER_DATABASE_CONNECTION_URL,
    temporary_settings,
)

from deployments.job_template import fill, load
from tests.prefect_api import PrefectApi, traces

REGION = "eu-west-1"
ACCOUNT = "123456789012"
WORKERS_KEY = "the-workers-own-key-of-prefect"
WORKERS_DATABASE = "postgresql+asyncpg://prefect:the-workers-own-database@db/prefect"


def secret_arn(name: str) -> str:
    return f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:shardlake/{name}-AbCdEf"


def role_arn(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


@dataclass
class Aws:
    """moto's ECS with one cluster, and what was asked of it."""

    outputs: dict[str, str]
    ecs: Any
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    @property
    def family(self) -> str:
        """The family of the view's deployment, as it is registered."""
        return f"{self.outputs['StackName']}_orders"

    def asked(self, operation: str) -> list[dict[str, Any]]:
        """The requests of an operation, as they left the worker."""
        return [body for name, body in self.requests if name == operation]


@pytest.fixture(scope="module")
def aws_emulator() -> Iterator[str]:
    """moto's address; one for all tests of a module, since prefect-aws keeps its clients. Another module's are forgotten."""
    from prefect_aws.credentials import _get_client_cached

    _get_client_cached.cache_clear()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def aws(aws_emulator: str, monkeypatch: pytest.MonkeyPatch) -> Aws:
    """A VPC, a cluster and one container instance, which moto wants even for Fargate, under names of this test's own."""
    for variable, value in {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_DEFAULT_REGION": REGION}.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws_emulator)
    name = f"shardlake-{uuid4().hex[:8]}"
    boto3.client("sqs", REGION).create_queue(QueueName=name)
    monkeypatch.setenv("PREFECT_INTEGRATIONS_AWS_ECS_OBSERVER_SQS_QUEUE_NAME", name)
    ec2 = boto3.client("ec2", REGION)
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    subnets = [ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24")["Subnet"]["SubnetId"] for n in (1, 2)]
    group = ec2.create_security_group(GroupName=name, Description="tasks", VpcId=vpc)["GroupId"]
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    ecs = boto3.client("ecs", REGION)
    cluster = ecs.create_cluster(clusterName=name)["cluster"]["clusterArn"]
    instance = boto3.resource("ec2", REGION).create_instances(ImageId=image, MinCount=1, MaxCount=1)[0]
    ecs.register_container_instance(cluster=cluster, instanceIdentityDocument=json.dumps(generate_instance_identity_document(instance)))
    outputs = {
        "ImageUri": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/shardlake:1a2b3c4", "ClusterArn": cluster, "VpcId": vpc,
        "StackName": name, "SubnetIds": ",".join(subnets), "SecurityGroupIds": group, "ExecutionRoleArn": role_arn("execution"),
        "TaskRoleArn": role_arn("task"), "LogGroupName": "/shardlake/shardlake", "Region": REGION,
        "ShopPasswordSecretArn": secret_arn("shop-password"), "WarehousePasswordSecretArn": secret_arn("warehouse-password"),
        "PrefectApiKeySecretArn": secret_arn("prefect-api-key"),
    }  # fmt: skip
    return Aws(outputs, ecs)


def as_aws_answers(definition: dict[str, Any]) -> dict[str, Any]:
    """A registered definition as the real DescribeTaskDefinition answers: with what AWS fills in by itself, and in its own order.

    moto leaves most of it out. The fields are those of AWS's reference of the API and of answers that people have published.
    """
    filled = copy.deepcopy(definition)
    filled.setdefault("enableFaultInjection", False)
    filled.setdefault("placementConstraints", [])
    filled["compatibilities"] = ["EC2", "FARGATE", "MANAGED_INSTANCES"]
    filled["requiresAttributes"] = [{"name": "ecs.capability.execution-role-ecr-pull"}, {"name": "ecs.capability.task-eni"}]
    filled["registeredAt"] = datetime(2026, 11, 1, 12, tzinfo=UTC)
    filled["registeredBy"] = f"arn:aws:sts::{ACCOUNT}:assumed-role/worker/1a2b3c"
    filled["volumes"] = [{"host": {}, **volume} for volume in filled["volumes"]]
    for container in filled["containerDefinitions"]:
        empty: dict[str, Any] = {"cpu": 0, "essential": True}
        for name in ("portMappings", "environment", "environmentFiles", "volumesFrom", "systemControls", "ulimits", "dnsServers", "links"):
            empty[name] = []
        container.update({**empty, **container})
        container["secrets"] = container["secrets"][::-1]
        container["mountPoints"] = [{"readOnly": False, **mount} for mount in container["mountPoints"]]
        container["linuxParameters"] = {"capabilities": {}, "devices": [], "tmpfs": [], **container["linuxParameters"]}
        container["logConfiguration"] = {"secretOptions": [], **container["logConfiguration"]}
    return dict(reversed(filled.items()))


class Pool:
    """A work pool of a real server with our template, deployments in it, and the worker that submits their runs to the emulator."""

    def __init__(self, api: PrefectApi, aws: Aws) -> None:
        self.api, self.aws, self.name = api, aws, f"shardlake-ecs-{uuid4().hex[:8]}"

    def create(self, pool_type: str = "ecs", without: str = "", **outputs: str) -> None:
        """Create the pool, or give it the template with other outputs, or one whose task definition lacks a field."""
        template = fill(load(pool_type), self.aws.outputs | outputs)
        template["job_configuration"]["task_definition"].pop(without, None)
        asyncio.run(self._create(pool_type, template))

    async def _create(self, pool_type: str, template: dict[str, Any]) -> None:
        async with get_client() as client:
            await client.create_work_pool(WorkPoolCreate(name=self.name, type=pool_type, base_job_template=template), overwrite=True)

    def deploy(self, **job_variables: Any) -> str:
        """A deployment of this pool, as publishing makes one; its id."""
        return asyncio.run(self._deploy(job_variables))

    async def _deploy(self, job_variables: dict[str, Any]) -> str:
        async with get_client() as client:
            flow_id = await client.create_flow_from_name("sync-view")
            made = await client.create_deployment(
                flow_id=flow_id, name=f"orders-{uuid4().hex[:8]}", work_pool_name=self.name, job_variables=job_variables,
                entrypoint="flows.sync_view.sync_view", parameters={"view": "orders"}, enforce_parameter_schema=False,
            )  # fmt: skip
        return str(made)

    def run(self, deployment_id: str) -> None:
        """A run of the deployment, taken up by a worker that polls once."""
        asyncio.run(self._run(deployment_id))

    async def _run(self, deployment_id: str) -> None:
        async with get_client() as client:
            await client.create_flow_run_from_deployment(deployment_id)
        await self._poll()

    def poll(self) -> None:
        """A worker that polls once takes what is due."""
        asyncio.run(self._poll())

    async def _poll(self) -> None:
        from prefect_aws.workers.ecs_worker import _TASK_DEFINITION_CACHE, ECSWorker

        _TASK_DEFINITION_CACHE.clear()  # each worker is a new process in earnest
        await ECSWorker(work_pool_name=self.name).start(run_once=True)


@pytest.fixture
def pool(prefect_api: PrefectApi, aws: Aws, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pool]:
    """The pool, for a worker that has secrets in its own settings."""
    from botocore.client import BaseClient

    original = BaseClient._make_api_call

    def recording(client: Any, operation: str, body: dict[str, Any]) -> Any:
        aws.requests.append((operation, json.loads(json.dumps(body, default=str))))
        answer = original(client, operation, body)
        if operation == "DescribeTaskDefinition":
            answer["taskDefinition"] = as_aws_answers(answer["taskDefinition"])
        return answer

    monkeypatch.setattr(BaseClient, "_make_api_call", recording)
    settings: dict[Any, Any] = {
        PREFECT_API_URL: prefect_api.server.api_url,
        PREFECT_HOME: tmp_path / "prefect-home",
        PREFECT_API_KEY: WORKERS_KEY,
        PREFECT_SERVER_DATABASE_CONNECTION_URL: WORKERS_DATABASE,
    }
    with temporary_settings(settings):
        yield Pool(prefect_api, aws)


def variables(**changes: Any) -> dict[str, Any]:
    """The job variables that publishing gives a view's deployment."""
    return {"cpu": 512, "memory": 1024, "family": "orders", "env": {"TZ": "UTC"}} | changes


def test_the_worker_registers_and_runs_what_the_template_says(pool: Pool, aws: Aws, prefect_api: PrefectApi) -> None:
    pool.create()
    pool.run(pool.deploy(**variables()))

    [definition] = aws.asked("RegisterTaskDefinition")
    [container] = definition.pop("containerDefinitions")
    assert definition == {
        "family": aws.family,
        "cpu": "512",
        "memory": "1024",
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "runtimePlatform": {"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"},
        "ephemeralStorage": {"sizeInGiB": 21},
        "enableFaultInjection": False,
        "executionRoleArn": role_arn("execution"),
        "taskRoleArn": role_arn("task"),
        "volumes": [{"name": "scratch"}],
    }
    assert container == {
        "name": "prefect",
        "image": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/shardlake:1a2b3c4",
        "essential": True,
        "memory": 1024,
        "readonlyRootFilesystem": True,
        "stopTimeout": 120,
        "linuxParameters": {"initProcessEnabled": True},
        "mountPoints": [{"sourceVolume": "scratch", "containerPath": "/scratch", "readOnly": False}],
        "secrets": [
            {"name": "SHOP_PASSWORD", "valueFrom": secret_arn("shop-password")},
            {"name": "WAREHOUSE_PASSWORD", "valueFrom": secret_arn("warehouse-password")},
            {"name": "PREFECT_API_KEY", "valueFrom": secret_arn("prefect-api-key")},
        ],
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": "/shardlake/shardlake",
                "awslogs-region": REGION,
                "awslogs-stream-prefix": "run",
                "mode": "non-blocking",
                "max-buffer-size": "25m",
            },
        },
    }

    [request] = aws.asked("RunTask")
    [override] = request["overrides"].pop("containerOverrides")
    assert request["overrides"] == {}
    assert request["cluster"] == aws.outputs["ClusterArn"]
    assert request["launchType"] == "FARGATE"
    assert request["taskDefinition"].endswith(f":task-definition/{aws.family}:1")
    assert request["networkConfiguration"] == {
        "awsvpcConfiguration": {
            "subnets": aws.outputs["SubnetIds"].split(","),
            "securityGroups": [aws.outputs["SecurityGroupIds"]],
            "assignPublicIp": "DISABLED",
        }
    }
    assert override["name"] == "prefect"
    assert override["command"] == ["prefect", "flow-run", "execute"]
    environment = {item["name"]: item["value"] for item in override["environment"]}
    assert environment["PREFECT_API_URL"] == prefect_api.server.api_url
    assert environment["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "30"
    assert environment["PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR"] == "reschedule"
    assert environment["PREFECT_HOME"] == "/scratch/prefect"
    assert environment["TZ"] == "UTC"
    [task] = aws.ecs.list_tasks(cluster=aws.outputs["ClusterArn"])["taskArns"]
    run_id = environment["PREFECT__FLOW_RUN_ID"]
    assert prefect_api.get(f"flow_runs/{run_id}")["infrastructure_pid"] == f"{aws.outputs['ClusterArn']}::{task}"


def test_no_secret_and_no_setting_of_the_workers_own_reaches_a_run(pool: Pool, aws: Aws) -> None:
    pool.create()
    with temporary_settings({PREFECT_API_AUTH_STRING: "admin:the-workers-auth-string"}):
        pool.run(pool.deploy(**variables()))
    said = json.dumps(aws.requests)
    for secret in (WORKERS_KEY, "the-workers-own-database", "the-workers-auth-string", "prefect-home"):
        assert traces(secret, said) == []
    [request] = aws.asked("RunTask")
    names = {item["name"] for item in request["overrides"]["containerOverrides"][0]["environment"]}
    assert {n for n in names if n.startswith("PREFECT_") and not n.startswith("PREFECT__")} <= {
        "PREFECT_API_URL", "PREFECT_API_AUTH_STRING", "PREFECT_HOME", "PREFECT_FLOWS_HEARTBEAT_FREQUENCY",
        "PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR",
        "PREFECT_SERVER_ANALYTICS_ENABLED", "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE", "PREFECT_SERVER_EPHEMERAL_ENABLED",
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW",
    }, names  # fmt: skip


def test_without_a_secret_for_the_key_the_workers_key_is_not_handed_on_either(pool: Pool, aws: Aws) -> None:
    del aws.outputs["PrefectApiKeySecretArn"]
    pool.create()
    pool.run(pool.deploy(**variables()))
    assert WORKERS_KEY not in json.dumps(aws.requests)
    [definition] = aws.asked("RegisterTaskDefinition")
    assert [s["name"] for s in definition["containerDefinitions"][0]["secrets"]] == ["SHOP_PASSWORD", "WAREHOUSE_PASSWORD"]


def test_a_worker_without_a_key_submits_all_the_same(pool: Pool, aws: Aws) -> None:
    """prefect-aws takes the key out of the environment and fails where it is not there; the template always has it."""
    pool.create()
    with temporary_settings(restore_defaults={PREFECT_API_KEY}):
        pool.run(pool.deploy(**variables()))
    assert len(aws.asked("RunTask")) == 1


def test_a_second_run_takes_the_latest_revision_and_a_new_image_makes_another(pool: Pool, aws: Aws) -> None:
    pool.create()
    deployment = pool.deploy(**variables())
    pool.run(deployment)
    pool.run(deployment)
    assert len(aws.asked("RegisterTaskDefinition")) == 1
    assert [r["taskDefinition"].rsplit(":", 1)[1] for r in aws.asked("RunTask")] == ["1", "1"]

    pool.create(ImageUri=f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/shardlake:5d6e7f8")
    pool.run(deployment)
    assert [r["taskDefinition"].rsplit(":", 1)[1] for r in aws.asked("RunTask")] == ["1", "1", "2"]
    latest = aws.ecs.describe_task_definition(taskDefinition=aws.family)["taskDefinition"]
    assert latest["containerDefinitions"][0]["image"].endswith("shardlake:5d6e7f8")


def test_a_field_that_aws_fills_in_and_the_template_lacks_registers_with_every_run(pool: Pool, aws: Aws) -> None:
    """Broken on purpose: what the test above would show if the template lost a field."""
    from prefect_aws.workers.ecs_worker import ECSWorker

    pool.create(without="enableFaultInjection")
    deployment = pool.deploy(**variables())
    pool.run(deployment)
    pool.run(deployment)
    assert len(aws.asked("RegisterTaskDefinition")) == 2

    ours = aws.asked("RegisterTaskDefinition")[0] | {"enableFaultInjection": False}
    theirs = as_aws_answers(ours)

    def equal(definition: dict[str, Any]) -> bool:
        return ECSWorker._task_definitions_equal(None, definition, theirs, logging.getLogger(__name__))  # type: ignore[arg-type]

    assert equal(ours)
    [container] = ours["containerDefinitions"]
    assert [field for field in ours if equal({k: v for k, v in ours.items() if k != field})] == []
    told = [f for f in container if equal(ours | {"containerDefinitions": [{k: v for k, v in container.items() if k != f}]})]
    assert told == ["essential"], "which prefect-aws fills in before it compares"


def test_two_stacks_of_one_account_do_not_meet(pool: Pool, aws: Aws) -> None:
    pool.create()
    pool.run(pool.deploy(**variables()))
    pool.create(StackName=f"{aws.outputs['StackName']}-too", ImageUri="another/image:1")
    pool.run(pool.deploy(**variables()))
    stack = aws.outputs["StackName"]
    assert [d["family"] for d in aws.asked("RegisterTaskDefinition")] == [f"{stack}_orders", f"{stack}-too_orders"]


def test_sizes_and_families_are_each_deployments_own(pool: Pool, aws: Aws) -> None:
    pool.create()
    pool.run(pool.deploy(**variables()))
    pool.run(pool.deploy(**variables(cpu=2048, memory=4096, family="items", ephemeral_storage=100)))
    first, second = aws.asked("RegisterTaskDefinition")
    assert (first["family"], first["cpu"], first["memory"]) == (aws.family, "512", "1024")
    assert (second["family"], second["cpu"], second["memory"]) == (f"{aws.outputs['StackName']}_items", "2048", "4096")
    assert second["containerDefinitions"][0]["memory"] == 4096
    assert second["ephemeralStorage"] == {"sizeInGiB": 100}


def test_a_deployment_with_an_image_of_its_own_runs_it_and_its_runs_are_told(pool: Pool, aws: Aws) -> None:
    canary = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/shardlake@sha256:{'ab' * 32}"
    pool.create()
    pool.run(pool.deploy(**variables(image=canary, env={"SHARDLAKE_IMAGE": canary, "SHARDLAKE_DEFINITIONS": "orders=12a6b5be9fe3"})))
    [definition] = aws.asked("RegisterTaskDefinition")
    assert definition["containerDefinitions"][0]["image"] == canary
    [request] = aws.asked("RunTask")
    environment = {item["name"]: item["value"] for item in request["overrides"]["containerOverrides"][0]["environment"]}
    assert (environment["SHARDLAKE_IMAGE"], environment["SHARDLAKE_DEFINITIONS"]) == (canary, "orders=12a6b5be9fe3")
    assert environment["PREFECT_HOME"] == "/scratch/prefect"  # the template's own are there still
