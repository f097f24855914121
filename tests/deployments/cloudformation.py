"""What moto's CloudFormation lacks, lent to it: each resource below is made by the API of moto's own service, which checks what it is given."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import boto3
from botocore.exceptions import ClientError
from moto.cloudformation import parsing
from moto.core.common_models import CloudFormationModel

Properties = dict[str, Any]


class Lent(CloudFormationModel):
    """A resource that knows its id and how it goes away again."""

    def __init__(self, physical_id: str, attributes: Mapping[str, str], remove: Callable[[], Any]) -> None:
        self.physical_resource_id, self.attributes, self.remove = physical_id, attributes, remove

    def get_cfn_attribute(self, name: str) -> str:
        return self.attributes[name]

    def delete(self, account_id: str, region: str) -> None:
        """moto deletes in no order, so that a role or a log group may have taken this with it."""
        try:
            self.remove()
        except ClientError as error:
            if error.response["Error"]["Code"] not in {"NoSuchEntity", "ResourceNotFoundException"}:
                raise

    @staticmethod
    def cloudformation_name_type() -> str:
        return ""

    @staticmethod
    def cloudformation_type() -> str:
        return "None"


def bucket_policy(name: str, given: Properties, region: str) -> Lent:
    s3 = boto3.client("s3", region)
    s3.put_bucket_policy(Bucket=given["Bucket"], Policy=json.dumps(given["PolicyDocument"]))
    return Lent(given["Bucket"], {}, lambda: s3.delete_bucket_policy(Bucket=given["Bucket"]))


def secret(name: str, given: Properties, region: str) -> Lent:
    client = boto3.client("secretsmanager", region)
    arn = client.create_secret(**given)["ARN"]
    return Lent(arn, {}, lambda: client.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True))


def role_policy(name: str, given: Properties, region: str) -> Lent:
    iam = boto3.client("iam", region)
    named = {"RoleName": given["RoleName"], "PolicyName": given["PolicyName"]}
    iam.put_role_policy(**named, PolicyDocument=json.dumps(given["PolicyDocument"]))
    return Lent(name, {}, lambda: iam.delete_role_policy(**named))


def linked_role(name: str, given: Properties, region: str) -> Lent:
    iam = boto3.client("iam", region)
    role = iam.create_service_linked_role(AWSServiceName=given["AWSServiceName"])["Role"]["RoleName"]
    return Lent(role, {}, lambda: iam.delete_service_linked_role(RoleName=role))


def queue_policy(name: str, given: Properties, region: str) -> Lent:
    sqs = boto3.client("sqs", region)
    for queue in given["Queues"]:
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps(given["PolicyDocument"])})
    return Lent(name, {}, lambda: None)


def glue_database(name: str, given: Properties, region: str) -> Lent:
    glue = boto3.client("glue", region)
    glue.create_database(**given)
    database = given["DatabaseInput"]["Name"]
    return Lent(database, {}, lambda: glue.delete_database(Name=database))


def security_group(name: str, given: Properties, region: str) -> Lent:
    ec2 = boto3.client("ec2", region)
    group = ec2.create_security_group(GroupName=name, Description=given["GroupDescription"], VpcId=given["VpcId"])["GroupId"]
    for rule in given["SecurityGroupEgress"]:
        if rule is not None:
            ports = {key: rule[key] for key in ("IpProtocol", "FromPort", "ToPort")}
            ranges = [{"CidrIp": rule["CidrIp"], "Description": rule["Description"]}]
            ec2.authorize_security_group_egress(GroupId=group, IpPermissions=[{**ports, "IpRanges": ranges}])
    return Lent(group, {"GroupId": group}, lambda: ec2.delete_security_group(GroupId=group))


def subscription(name: str, given: Properties, region: str) -> Lent:
    sns = boto3.client("sns", region)
    arn = sns.subscribe(**given, ReturnSubscriptionArn=True)["SubscriptionArn"]
    return Lent(arn, {}, lambda: sns.unsubscribe(SubscriptionArn=arn))


def alarm(name: str, given: Properties, region: str) -> Lent:
    cloudwatch = boto3.client("cloudwatch", region)
    cloudwatch.put_metric_alarm(AlarmName=name, **given)
    return Lent(name, {}, lambda: cloudwatch.delete_alarms(AlarmNames=[name]))


def metric_filter(name: str, given: Properties, region: str) -> Lent:
    logs = boto3.client("logs", region)
    changed = [{k[0].lower() + k[1:]: v for k, v in item.items()} for item in given["MetricTransformations"]]
    logs.put_metric_filter(
        filterName=name, logGroupName=given["LogGroupName"], filterPattern=given["FilterPattern"], metricTransformations=changed
    )
    return Lent(name, {}, lambda: logs.delete_metric_filter(logGroupName=given["LogGroupName"], filterName=name))


LENT: dict[str, Callable[[str, Properties, str], Lent]] = {
    "AWS::CloudWatch::Alarm": alarm,
    "AWS::EC2::SecurityGroup": security_group,
    "AWS::Glue::Database": glue_database,
    "AWS::IAM::RolePolicy": role_policy,
    "AWS::IAM::ServiceLinkedRole": linked_role,
    "AWS::Logs::MetricFilter": metric_filter,
    "AWS::S3::BucketPolicy": bucket_policy,
    "AWS::SNS::Subscription": subscription,
    "AWS::SQS::QueuePolicy": queue_policy,
    "AWS::SecretsManager::Secret": secret,
}
"""What moto's CloudFormation cannot make by itself; a security group it makes without its ways out."""


def models() -> dict[str, type[CloudFormationModel]]:
    """A class for each type, as moto looks for them."""
    return {kind: type(kind.replace("::", ""), (Lent,), _methods(make)) for kind, make in LENT.items()}


def _methods(make: Callable[[str, Properties, str], Lent]) -> dict[str, Any]:
    def create(cls: Any, resource_name: str, cloudformation_json: Properties, account_id: str, region_name: str, **_: Any) -> Lent:
        return make(resource_name, cloudformation_json["Properties"], region_name)

    def update(
        cls: Any, original_resource: Lent, new_resource_name: str, cloudformation_json: Properties, account_id: str, region_name: str
    ) -> Lent:
        original_resource.remove()
        return make(new_resource_name, cloudformation_json["Properties"], region_name)

    return {"create_from_cloudformation_json": classmethod(create), "update_from_cloudformation_json": classmethod(update)}


def lend(monkeypatch: Any) -> None:
    """For one test: moto makes these types, names repositories as AWS does, and an update follows conditions."""
    known = dict(parsing.get_model_map()) | models()
    named, changed, updated = parsing.generate_resource_name, parsing.parse_and_update_resource, parsing.ResourceMap.update

    def lower(kind: str, stack: str, logical: str) -> str:
        name = named(kind, stack, logical)
        return name.lower() if kind == "AWS::ECR::Repository" else name

    def wanted(resources: Any, described: Properties) -> bool:
        return "Condition" not in described or bool(resources.lazy_condition_map[described["Condition"]])

    def change(logical: str, described: Properties, resources: Any, **words: str) -> Any:
        if not wanted(resources, described):
            return resources._parsed_resources.get(logical)
        if described["Type"] == "AWS::ECS::TaskDefinition":  # a new revision; moto's own update forgets to respell the words
            return parsing.parse_and_create_resource(logical, described, resources, **words)
        return changed(logical, described, resources, **words)

    def update(resources: Any, template: Properties, parameters: Properties | None = None) -> None:
        updated(resources, template, parameters)
        for logical, described in template["Resources"].items():
            if wanted(resources, described):
                assert resources[logical] is not None, logical
                if described["Type"] == "AWS::ECS::Service":  # which follows its task definition's new revision
                    words = {"account_id": resources._account_id, "region_name": resources._region_name}
                    resources._parsed_resources[logical] = changed(logical, described, resources, **words)
            elif (made := resources._parsed_resources.pop(logical, None)) is not None:
                resources._delete_resource(made, described)

    monkeypatch.setattr(parsing, "get_model_map", lambda: known)
    monkeypatch.setattr(parsing, "generate_resource_name", lower)
    monkeypatch.setattr(parsing, "parse_and_update_resource", change)
    monkeypatch.setattr(parsing.ResourceMap, "update", update)
