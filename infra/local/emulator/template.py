"""Deploys a synthesized template into the local AWS, as CloudFormation does: each resource by its service's own calls.

moto's CloudFormation would make tables, streams and functions in moto, where no engine of ours finds them.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3

from infra.local.emulator.client import ACCOUNT

READY_WITHIN_SECONDS = 60

Properties = dict[str, Any]

NOT_HERE = frozenset(
    {
        "AWS::CloudWatch::Alarm",
        "AWS::CloudWatch::Dashboard",
        "AWS::Events::Rule",
        "AWS::Lambda::Permission",
        "AWS::Logs::LogGroup",
        "AWS::S3::BucketPolicy",
        "AWS::SNS::Subscription",
        "AWS::SNS::Topic",
        "AWS::SNS::TopicPolicy",
    }
)
"""What watches a migration, and what no engine here would read: no schedule runs here, and nobody asks to call."""


class TemplateUnknown(Exception):  # noqa: N818 — it says what is wrong
    """The template has something that this module cannot deploy; teach it, or name the type in `NOT_HERE`."""


@dataclass(frozen=True, slots=True)
class Made:
    """One resource that was made."""

    ref: str
    """What `Ref` gives."""
    arn: str


@dataclass
class Template:
    """A template on its way into the local AWS.

    Args:
        session: of the local AWS, in the Region of the stack.
        resources: the template's.
        code: the Lambda package that all functions have; on AWS it is an asset.
    """

    session: boto3.Session
    resources: Mapping[str, Any]
    code: bytes
    made: dict[str, Made] = field(default_factory=dict)

    def deploy(self) -> None:
        """Make every resource, those that others refer to first.

        Raises:
            TemplateUnknown: it holds a type of resource or an intrinsic function that is not known here.
        """
        for name, resource in self.resources.items():
            if resource["Type"] not in _MAKERS and resource["Type"] not in NOT_HERE:
                raise TemplateUnknown(f"{name} is a {resource['Type']}")
        for kind, make in _MAKERS.items():
            for name, resource in self.resources.items():
                if resource["Type"] == kind:
                    self.made[name] = make(self, name, self.resolve(resource["Properties"]))

    def physical(self, kind: str) -> dict[str, Made]:
        """Return the resources of a type that were made, by their names in the template."""
        return {name: made for name, made in self.made.items() if self.resources[name]["Type"] == kind}

    def resolve(self, value: Any) -> Any:  # noqa: ANN401 — any JSON
        """Return a value with its intrinsic functions carried out."""
        if isinstance(value, list):
            return [self.resolve(inner) for inner in value]
        if isinstance(value, dict):
            function = next(iter(value), "") if len(value) == 1 else ""
            if function == "Ref" or function.startswith("Fn::"):
                return self._carry_out(function, value[function])
            return {key: self.resolve(inner) for key, inner in value.items()}
        return value

    def _carry_out(self, function: str, argument: Any) -> str:  # noqa: ANN401 — each has its own
        if function == "Ref":
            return self._ref(argument)
        if function == "Fn::GetAtt":
            return self._attribute(*argument)
        if function == "Fn::Join":
            separator, parts = argument
            return str(separator).join(self.resolve(parts))
        if function == "Fn::Sub":
            return str(argument)  # only where an asset is, and assets are not taken from there here
        raise TemplateUnknown(f"the intrinsic function {function}")

    def _ref(self, name: str) -> str:
        pseudo = {"AWS::AccountId": ACCOUNT, "AWS::Partition": "aws", "AWS::Region": self.session.region_name}
        if name in pseudo:
            return pseudo[name]
        return self.made[name].ref if name in self.made else self._not_here(name)

    def _attribute(self, name: str, attribute: str) -> str:
        if name not in self.made:
            return self._not_here(name)
        if attribute != "Arn":
            raise TemplateUnknown(f"the attribute {attribute} of {name}")
        return self.made[name].arn

    def _not_here(self, name: str) -> str:
        """Return a name for what is referred to and is not made here, such as a log group."""
        if self.resources[name]["Type"] not in NOT_HERE:
            raise TemplateUnknown(f"{name} is referred to before it is made")
        return f"not-here:{name}"


def _make_table(template: Template, _: str, properties: Properties) -> Made:
    client, name = template.session.client("dynamodb"), properties["TableName"]
    client.create_table(
        **{part: properties[part] for part in ("TableName", "AttributeDefinitions", "KeySchema", "BillingMode")}
    )
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    client.update_time_to_live(TableName=name, TimeToLiveSpecification=properties["TimeToLiveSpecification"])
    return Made(name, client.describe_table(TableName=name)["Table"]["TableArn"])


def _make_stream(template: Template, _: str, properties: Properties) -> Made:
    client, name = template.session.client("kinesis"), properties["Name"]
    client.create_stream(
        StreamName=name, ShardCount=properties["ShardCount"], StreamModeDetails=properties["StreamModeDetails"]
    )
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    while True:
        described = client.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
        if described["StreamStatus"] == "ACTIVE":
            return Made(name, described["StreamARN"])
        if time.monotonic() > deadline:
            raise TimeoutError(f"stream {name} is {described['StreamStatus']} after {READY_WITHIN_SECONDS} s")
        time.sleep(0.1)


def _make_bucket(template: Template, name: str, properties: Properties) -> Made:
    tags = {tag["Key"]: tag["Value"] for tag in properties["Tags"]}
    called = f"tableferry-{tags['tableferry:migration']}-{name.lower()}"
    location: Any = {"LocationConstraint": template.session.region_name}
    where = {} if template.session.region_name == "us-east-1" else {"CreateBucketConfiguration": location}
    template.session.client("s3").create_bucket(Bucket=called, **where)
    return Made(called, f"arn:aws:s3:::{called}")


def _make_role(template: Template, name: str, properties: Properties) -> Made:
    client = template.session.client("iam")
    tags = {tag["Key"]: tag["Value"] for tag in properties["Tags"]}
    called = f"tableferry-{tags['tableferry:migration']}-{name}"[:64]
    role = client.create_role(
        RoleName=called, AssumeRolePolicyDocument=json.dumps(properties["AssumeRolePolicyDocument"])
    )["Role"]
    for policy in properties["Policies"]:
        client.put_role_policy(
            RoleName=called, PolicyName=policy["PolicyName"], PolicyDocument=json.dumps(policy["PolicyDocument"])
        )
    return Made(called, role["Arn"])


def _make_function(template: Template, _: str, properties: Properties) -> Made:
    arn = template.session.client("lambda").create_function(
        FunctionName=properties["FunctionName"],
        Runtime=properties["Runtime"],
        Handler=properties["Handler"],
        Role=properties["Role"],
        Code={"ZipFile": template.code},
        Timeout=properties["Timeout"],
        MemorySize=properties["MemorySize"],
        Environment=properties["Environment"],
    )["FunctionArn"]
    return Made(properties["FunctionName"], arn)


def _make_machine(template: Template, _: str, properties: Properties) -> Made:
    arn = template.session.client("stepfunctions").create_state_machine(
        name=properties["StateMachineName"],
        definition=properties["DefinitionString"],
        roleArn=properties["RoleArn"],
    )["stateMachineArn"]
    return Made(arn, arn)


_MAKERS: dict[str, Callable[[Template, str, Properties], Made]] = {
    "AWS::DynamoDB::Table": _make_table,
    "AWS::Kinesis::Stream": _make_stream,
    "AWS::S3::Bucket": _make_bucket,
    "AWS::IAM::Role": _make_role,
    "AWS::Lambda::Function": _make_function,
    "AWS::StepFunctions::StateMachine": _make_machine,
}
"""In the order in which they refer to one another."""
