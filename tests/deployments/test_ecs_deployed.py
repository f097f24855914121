"""The stack, deployed: made, changed, deleted and made again by moto's CloudFormation, an emulator, and what becomes of it in moto's services."""

from __future__ import annotations

import ast
import json
import warnings
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from cfnlint.decode import decode_str
from moto import mock_aws
from moto.cloudformation import parsing

from deployments.job_template import fill, load
from tests.deployments.cloudformation import LENT, lend
from tests.world import ROOT

FILE = ROOT / "deployments" / "ecs" / "shardlake.cfn.yaml"
REGION = "eu-west-1"
TEMPLATE = FILE.read_text("utf-8").replace("DeletionPolicy: RetainExceptOnCreate", "DeletionPolicy: Retain")
"""As it is, but for a word of CloudFormation that moto does not know: of a stack that was made, both keep the resource."""


class Stack:
    """A stack of that name in an account that has a VPC with two subnets."""

    def __init__(self, name: str) -> None:
        self.name, self.api = name, boto3.client("cloudformation", REGION)
        ec2 = boto3.client("ec2", REGION)
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnets = [ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24")["Subnet"]["SubnetId"] for n in (1, 2)]
        self.given = {"VpcId": vpc, "SubnetIds": ",".join(subnets), "PrefectApiUrl": "https://prefect.example/api"}

    def deploy(self, **parameters: str) -> None:
        """Create the stack, or update it; a warning, as of a type that moto cannot make, is an error."""
        self.given |= parameters
        words = [{"ParameterKey": key, "ParameterValue": value} for key, value in self.given.items()]
        call = self.api.update_stack if self.status else self.api.create_stack
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            call(StackName=self.name, TemplateBody=TEMPLATE, Parameters=words, Capabilities=["CAPABILITY_IAM"])

    def delete(self) -> None:
        self.api.delete_stack(StackName=self.name)

    @property
    def status(self) -> str:
        found = [s["StackStatus"] for s in self.api.describe_stacks()["Stacks"] if s["StackName"] == self.name]
        return found[0] if found else ""

    @property
    def outputs(self) -> dict[str, str]:
        return {o["OutputKey"]: o["OutputValue"] for o in self.api.describe_stacks(StackName=self.name)["Stacks"][0]["Outputs"]}

    @property
    def kinds(self) -> dict[str, str]:
        """The type of each resource that is there, by its name in the template."""
        found = self.api.describe_stack_resources(StackName=self.name)["StackResources"]
        return {item["LogicalResourceId"]: item["ResourceType"] for item in found if "ResourceType" in item}


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An AWS account in which nothing has been made."""
    for variable, value in {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_DEFAULT_REGION": REGION}.items():
        monkeypatch.setenv(variable, value)
    for variable in ("AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(variable, raising=False)
    lend(monkeypatch)
    with mock_aws():
        yield


def allowed(role_arn: str) -> list[dict[str, Any]]:
    """The statements of a role's own policies, as they came out."""
    iam = boto3.client("iam", REGION)
    role = role_arn.rsplit("/", 1)[1]
    names = iam.list_role_policies(RoleName=role)["PolicyNames"]
    documents = [iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names]
    return [
        s for d in documents for s in (ast.literal_eval(d) if isinstance(d, str) else d)["Statement"]
    ]  # moto prints what CloudFormation made


def secrets_of(role: str) -> set[str]:
    """What may be read by the role, without the random suffix of ARNs."""
    named = [s["Resource"] for s in allowed(role) if s["Action"] == "secretsmanager:GetSecretValue"]
    arns = [arn for resource in named for arn in ([resource] if isinstance(resource, str) else resource) if arn]
    return {arn.split(":secret:")[1].rsplit("-", 1)[0] for arn in arns}


def image_of_the_worker(stack: Stack) -> str:
    """What the one service runs, once."""
    ecs, cluster = boto3.client("ecs", REGION), stack.outputs["ClusterArn"]
    [service] = ecs.describe_services(cluster=cluster, services=ecs.list_services(cluster=cluster)["serviceArns"])["services"]
    assert service["desiredCount"] == 1
    [container] = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]["containerDefinitions"]
    return str(container["image"])


def alarms() -> dict[str, dict[str, Any]]:
    return {a["AlarmName"].split("-")[1]: a for a in boto3.client("cloudwatch", REGION).describe_alarms()["MetricAlarms"]}


def test_a_fresh_account_a_worker_the_end_and_the_same_name_again(account: None) -> None:
    stack = Stack("lake")
    stack.deploy(CreateServiceLinkedRole="true")
    assert stack.status == "CREATE_COMPLETE"
    template = json.loads(json.dumps(decode_str(FILE.read_text("utf-8"))[0]))["Resources"]
    asked_for = {"GlueDatabase", "PrefectAuthStringSecret", "WorkerTask", "WorkerService", "WorkerGone", "EventsUnread"}
    asked_for |= {"ExecutionRoleMoreSecrets", "TaskRoleMoreSecrets", "TaskRoleKms", "AlarmEmailSubscription"}
    assert set(stack.kinds) == set(template) - asked_for
    assert secrets_of(stack.outputs["ExecutionRoleArn"]) == {"lake/shop-password", "lake/warehouse-password", "lake/prefect-api-key"}
    assert secrets_of(stack.outputs["TaskRoleArn"]) == {"lake/shop-password", "lake/warehouse-password"}

    filled = fill(load("ecs"), stack.outputs | {"ImageUri": "image:1"})["variables"]["properties"]
    assert filled["stack"]["default"] == "lake"
    assert filled["network_configuration"]["default"]["subnets"] == stack.given["SubnetIds"].split(",")

    stack.deploy(WorkerImage="image:1", WorkerCount="1")
    assert stack.status == "UPDATE_COMPLETE"
    assert image_of_the_worker(stack) == "image:1"
    stack.deploy(WorkerImage="image:2")
    assert image_of_the_worker(stack) == "image:2"
    outputs = stack.outputs
    stack.delete()
    assert stack.status == ""
    [bucket] = boto3.client("s3", REGION).list_buckets()["Buckets"]
    assert outputs["LakeUrl"] == f"s3://{bucket['Name']}/shardlake"
    [repository] = boto3.client("ecr", REGION).describe_repositories()["repositories"]
    assert repository["repositoryUri"] == outputs["RepositoryUri"]
    assert boto3.client("secretsmanager", REGION).list_secrets()["SecretList"] == []
    assert boto3.client("logs", REGION).describe_log_groups()["logGroups"] == []
    assert boto3.client("sqs", REGION).list_queues().get("QueueUrls", []) == []
    assert [r["RoleName"] for r in boto3.client("iam", REGION).list_roles()["Roles"]] == ["AWSServiceRoleForecs"]  # as moto spells it
    assert alarms() == {}

    stack.deploy(CreateServiceLinkedRole="false", WorkerImage="", WorkerCount="0")
    assert stack.status == "CREATE_COMPLETE", "nothing that was kept is in the way"
    assert stack.outputs["LakeUrl"] != outputs["LakeUrl"]


def test_two_stacks_stand_side_by_side_with_all_that_can_be_asked_for(account: None) -> None:
    first, second = Stack("lake"), Stack("lake-too")
    first.deploy()
    second.deploy(
        WorkerImage="image:1", WorkerCount="1", PrefectAuth="auth-string", CreateLakeDatabase="true", LakeDatabase="marts",
        KmsKeyArn=f"arn:aws:kms:{REGION}:123456789012:key/1a2b", AlarmEmail="data-team@example.com", RunsMissingSeconds="7200",
        CreatePasswordSecrets="false", SecondDatabaseCidr="172.16.0.0/16", MySqlPort="3307", MoreSecurityGroupIds="sg-1,sg-2",
        MoreSecretArns=f"arn:aws:secretsmanager:{REGION}:123456789012:secret:crm-1a2b3c,arn:aws:secretsmanager:{REGION}:123456789012:secret:erp-*",
        LaunchType="FARGATE_SPOT", CpuArchitecture="ARM64", EphemeralStorage="100", LakePrefix="too",
    )  # fmt: skip
    assert (first.status, second.status) == ("CREATE_COMPLETE", "CREATE_COMPLETE")
    own = {kind for kind in second.kinds.values() if kind in LENT}
    assert own == set(LENT) - {"AWS::IAM::ServiceLinkedRole"}

    outputs = second.outputs
    assert "ShopPasswordSecretArn" not in outputs
    assert secrets_of(outputs["ExecutionRoleArn"]) == {"lake-too/prefect-auth-string", "crm", "erp"}
    assert secrets_of(outputs["TaskRoleArn"]) == {"crm", "erp"}
    words = {"ImageUri": "image:1", "secret:CRM_PASSWORD": "arn:crm", "secret:ERP_PASSWORD": "arn:erp"}
    variables = {name: v.get("default") for name, v in fill(load("ecs"), outputs | words)["variables"]["properties"].items()}
    assert variables["stack"] == "lake-too"
    assert variables["secrets"] == [{"name": "CRM_PASSWORD", "valueFrom": "arn:crm"}, {"name": "ERP_PASSWORD", "valueFrom": "arn:erp"}]
    assert (variables["launch_type"], variables["cpu_architecture"], variables["ephemeral_storage"]) == ("FARGATE_SPOT", "ARM64", 100)
    groups = variables["network_configuration"]["securityGroups"]
    assert groups[1:] == ["sg-1", "sg-2"]
    [group] = boto3.client("ec2", REGION).describe_security_groups(GroupIds=groups[:1])["SecurityGroups"]
    opened = {(rule["FromPort"], r["CidrIp"]) for rule in group["IpPermissionsEgress"] if "FromPort" in rule for r in rule["IpRanges"]}
    assert opened == {
        (443, "0.0.0.0/0"), (3307, "10.0.0.0/8"), (5432, "10.0.0.0/8"), (3307, "172.16.0.0/16"), (5432, "172.16.0.0/16"),
    }  # fmt: skip

    iam = boto3.client("iam", REGION)
    runnable = {}
    for stack in (first, second):
        policy = stack.outputs["SubmitPolicyArn"]
        version = iam.get_policy(PolicyArn=policy)["Policy"]["DefaultVersionId"]
        document = iam.get_policy_version(PolicyArn=policy, VersionId=version)["PolicyVersion"]["Document"]
        runnable[stack.name] = next(s["Resource"] for s in document["Statement"] if s["Sid"] == "Run").split(":task-definition/")[1]
    assert runnable == {"lake": "lake_*:*", "lake-too": "lake-too_*:*"}


def test_the_alarms_that_are_raised_where_prefect_cannot_raise_any(account: None) -> None:
    stack = Stack("lake")
    stack.deploy()
    assert set(alarms()) == {"EventsRefused", "RunsMissing"}, "a worker that nobody asked for is not missed"
    stack.deploy(WorkerImage="image:1", WorkerCount="1", AlarmEmail="data-team@example.com")
    raised = alarms()
    assert set(raised) == {"EventsRefused", "RunsMissing", "WorkerGone", "EventsUnread"}
    topic = stack.outputs["AlarmTopicArn"]
    assert all(a["AlarmActions"] == [topic] and a["OKActions"] == [topic] for a in raised.values())
    assert [s["Endpoint"] for s in boto3.client("sns", REGION).list_subscriptions()["Subscriptions"]] == ["data-team@example.com"]

    service = {d["Name"]: d["Value"] for d in raised["WorkerGone"]["Dimensions"]}
    assert service["ClusterName"] == stack.outputs["ClusterArn"].rsplit("/", 1)[1]
    assert service["ServiceName"].startswith("lake-WorkerService-")
    assert raised["EventsUnread"]["Dimensions"] == [{"Name": "QueueName", "Value": stack.outputs["EventsQueueName"]}]
    assert "DeadLetters" in raised["EventsRefused"]["Dimensions"][0]["Value"]

    [counted] = boto3.client("logs", REGION).describe_metric_filters(logGroupName=stack.outputs["LogGroupName"])["metricFilters"]
    assert counted["filterPattern"] == '"run.ended"'
    [metric] = counted["metricTransformations"]
    missed = raised["RunsMissing"]
    assert (metric["metricNamespace"], metric["metricName"]) == (missed["Namespace"], missed["MetricName"])
    assert (missed["Period"], missed["Threshold"], missed["ComparisonOperator"]) == (3600, 1.0, "LessThanThreshold")
    assert (missed["TreatMissingData"], raised["WorkerGone"]["TreatMissingData"]) == ("breaching", "breaching")

    stack.deploy(RunsMissingSeconds="0")
    assert "RunsMissing" not in alarms()


def test_what_moto_cannot_make_by_itself_is_what_is_lent_to_it() -> None:
    used = {r["Type"] for r in json.loads(json.dumps(decode_str(FILE.read_text("utf-8"))[0]))["Resources"].values()}
    parsing.get_model_map.cache_clear()
    assert used - {k for k in parsing.get_model_map() if k.startswith("AWS::")} == set(LENT) - {"AWS::EC2::SecurityGroup"}
