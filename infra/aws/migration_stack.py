"""One migration's stack: all that it needs on AWS but the source and the target, which no stack may take along."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_stepfunctions as stepfunctions
from constructs import Construct

from infra.aws.functions.function import Function, Name
from infra.aws.functions.grants import Grant
from infra.aws.functions.registry import FUNCTIONS
from infra.aws.functions.streams import REPLICATE_CHANGES, STREAMS, WRITE_PAGES
from infra.aws.permissions import grants_of, machine_grants
from tasks.aws.books.control import KEPT_SECONDS
from tasks.core.copy.back_pressure import PAGES_KEPT_HOURS
from workflow.definition import Engine, iter_states, read_definition, render
from workflow.machine import Names
from workflow.settings import ReservedConcurrency, Settings

RUNTIME = lambda_.Runtime.PYTHON_3_14
"""The newest Python that Lambda offers and that the packages with compiled parts have arm64 wheels for."""

PROOF_KEPT_DAYS = 15


class MigrationStack(cdk.Stack):
    """The stack of one migration.

    Args:
        app: what it is synthesized in.
        settings: of the deployment.
        code: the folder of the Lambda package.
        functions: what to deploy; the local AWS has shorter timeouts.
        engine: what runs the definition.
        most_poll_seconds: a bound for the definition's waits, for runs that are watched.
    """

    def __init__(
        self,
        app: cdk.App,
        settings: Settings,
        *,
        code: Path,
        functions: Sequence[Function] = FUNCTIONS,
        engine: Engine = Engine.AWS,
        most_poll_seconds: int | None = None,
    ) -> None:
        self.names = Names(settings.migration.migration)
        super().__init__(
            app,
            self.names.state_machine,
            env=cdk.Environment(account=settings.deployment.account, region=settings.deployment.region),
            description=f"tableferry: migrates {settings.migration.source_table} to {settings.migration.target_table}",
            # In the midst of a migration the stack holds its ledgers. `make destroy` looks first, and then lifts this.
            termination_protection=True,
            analytics_reporting=False,
        )
        cdk.Tags.of(self).add("tableferry:migration", settings.migration.migration)
        self.settings = settings
        self.control = self._control_table()
        self.pages = self._pages_stream()
        self.bucket = self._rejects_bucket()
        self.functions = self._functions(functions, code)
        self.machine = self._machine(functions, engine, most_poll_seconds)
        cdk.CfnOutput(self, "StateMachineArn", value=self.machine.state_machine_arn)
        cdk.CfnOutput(self, "RejectsBucketName", value=self.bucket.bucket_name)

    def _control_table(self) -> dynamodb.Table:
        return dynamodb.Table(
            self,
            "ControlTable",
            table_name=self.names.control_table,
            partition_key=dynamodb.Attribute(name="pk", type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name="sk", type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.AWS_MANAGED,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            time_to_live_attribute="expires",
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )

    def _pages_stream(self) -> kinesis.Stream:
        shards = self.settings.deployment.pages_shards
        return kinesis.Stream(
            self,
            "Pages",
            stream_name=self.names.pages_stream,
            stream_mode=kinesis.StreamMode.ON_DEMAND if shards is None else kinesis.StreamMode.PROVISIONED,
            shard_count=shards,
            encryption=kinesis.StreamEncryption.MANAGED,
            retention_period=cdk.Duration.hours(PAGES_KEPT_HOURS),
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )

    def _rejects_bucket(self) -> s3.Bucket:
        # Without a name of its own: bucket names are global, and this one stays when the stack goes.
        bucket = s3.Bucket(
            self,
            "Rejects",
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            # As long as the ledgers and the execution's history: what still needs an object is over long before.
            lifecycle_rules=[
                s3.LifecycleRule(
                    expiration=cdk.Duration.days(KEPT_SECONDS // (24 * 3600)),
                    abort_incomplete_multipart_upload_after=cdk.Duration.days(1),
                ),
                # Of use until the proof is over; an execution may be redriven for two weeks.
                s3.LifecycleRule(prefix="proof/", expiration=cdk.Duration.days(PROOF_KEPT_DAYS)),
            ],
            removal_policy=cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
        )
        # Rules then see what Lambda puts there. CDK's own switch would add a function of its own for it.
        made = bucket.node.default_child
        if isinstance(made, s3.CfnBucket):
            made.add_property_override("NotificationConfiguration.EventBridgeConfiguration.EventBridgeEnabled", True)  # noqa: FBT003 — CDK's signature
        acknowledge(
            bucket,
            "AwsSolutions-S1",
            "it holds what was refused or given up, seldom anything, for the time of one migration; whoever wants to "
            "know its readers turns on CloudTrail's data events",
        )
        return bucket

    def _functions(self, functions: Sequence[Function], code: Path) -> dict[str, lambda_.Function]:
        package = lambda_.Code.from_asset(str(code))
        environment = self._environment(functions)
        return {function.state: self._function(function, package, environment) for function in functions}

    def _function(
        self, function: Function, package: lambda_.AssetCode, environment: Mapping[Name, str]
    ) -> lambda_.Function:
        called = self.names.function(function.state)
        role = self._role(
            f"{function.state}Role",
            "lambda.amazonaws.com",
            [*grants_of(function, self.settings)],
            function=called,
        )
        return lambda_.Function(
            self,
            function.state,
            function_name=called,
            description=f"tableferry: tasks/{function.module}.py",
            runtime=RUNTIME,
            architecture=lambda_.Architecture.ARM_64,
            handler=function.handler,
            code=package,
            timeout=cdk.Duration.seconds(function.timeout_seconds),
            memory_size=function.memory_mb,
            reserved_concurrent_executions=self._reserved().get(function.state),
            environment={name: environment[name] for name in function.names} | {"POWERTOOLS_LOG_LEVEL": "INFO"},
            role=role,
            tracing=lambda_.Tracing.ACTIVE,
            log_group=self._log_group(f"{function.state}Logs", f"/aws/lambda/{called}"),
        )

    def _reserved(self) -> dict[str, int | None]:
        reserved = self.settings.deployment.reserved_concurrency or ReservedConcurrency()
        return {WRITE_PAGES.state: reserved.write_pages, REPLICATE_CHANGES.state: reserved.replicate_changes}

    def _environment(self, functions: Sequence[Function]) -> dict[Name, str]:
        seconds = {function.state: str(function.timeout_seconds) for function in functions}
        return {
            "MIGRATION_SETTINGS": self.settings.migration.model_dump_json(exclude_defaults=True),
            "CONTROL_TABLE": self.control.table_name,
            "PAGES_STREAM_ARN": self.pages.stream_arn,
            "REJECTS_BUCKET": self.bucket.bucket_name,
            "WRITE_PAGES_FUNCTION": self.names.function(WRITE_PAGES.state),
            "WRITE_PAGES_TIMEOUT_SECONDS": seconds[WRITE_PAGES.state],
            "REPLICATE_CHANGES_FUNCTION": self.names.function(REPLICATE_CHANGES.state),
            "REPLICATE_CHANGES_TIMEOUT_SECONDS": seconds[REPLICATE_CHANGES.state],
            "STREAM_READS_PER_SECOND": f"{self.settings.deployment.stream_reads_per_second:g}",
            "REPLICATE_CHANGES_WINDOW_SECONDS": str(self.settings.deployment.replicator_window_seconds),
        }

    def _machine(
        self, functions: Sequence[Function], engine: Engine, most_poll_seconds: int | None
    ) -> stepfunctions.StateMachine:
        called = [function for function in functions if function.is_state]
        definition = render(
            engine,
            {function.hole: self.functions[function.state].function_arn for function in called},
            most_poll_seconds=most_poll_seconds,
        )
        labels = tuple(state["Label"] for _, state in iter_states(read_definition()) if state["Type"] == "Map")
        names = tuple(self.names.function(function.state) for function in called)
        return stepfunctions.StateMachine(
            self,
            "StateMachine",
            state_machine_name=self.names.state_machine,
            definition_body=stepfunctions.DefinitionBody.from_string(json.dumps(definition)),
            role=self._role("StateMachineRole", "states.amazonaws.com", [*machine_grants(names, labels)]),
            tracing_enabled=True,
            logs=stepfunctions.LogOptions(
                destination=self._log_group("StateMachineLogs", f"/aws/vendedlogs/states/{self.names.state_machine}"),
                level=stepfunctions.LogLevel.ALL,
                include_execution_data=False,  # cursors are keys: they stay in the history
            ),
        )

    def _log_group(self, name: str, called: str) -> logs.LogGroup:
        return logs.LogGroup(
            self,
            name,
            log_group_name=called,
            retention=logs.RetentionDays[_DAYS[self.settings.deployment.log_retention_days]],
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )

    def _role(self, name: str, service: str, grants: Sequence[Grant], **more: str) -> iam.IRole:
        """Make a role with exactly these statements; what CDK's constructs would add by themselves it leaves out."""
        values = self._values() | more
        statements = [
            iam.PolicyStatement(
                actions=list(grant.actions),
                resources=[resource.format_map(values) for resource in grant.resources],
                conditions={
                    operator: {key: value.format_map(values) for key, value in pairs.items()}
                    for operator, pairs in grant.conditions.items()
                },
            )
            for grant in grants
        ]
        role = iam.Role(
            self,
            name,
            assumed_by=iam.ServicePrincipal(service),
            inline_policies={name: iam.PolicyDocument(statements=statements)},
        )
        shown = values | {
            "partition": "<AWS::Partition>",
            "account": self.settings.deployment.account or "<AWS::AccountId>",
            "rejects_bucket": f"<{self.resolve(self.bucket.bucket_name)['Ref']}>",
        }
        for grant in grants:
            for resource in grant.resources:
                if "*" in resource:
                    acknowledge(role, f"AwsSolutions-IAM5[Resource::{resource.format_map(shown)}]", grant.wildcard)
        return role.without_policy_updates()

    def _values(self) -> dict[str, str]:
        migration = self.settings.migration
        return {
            "partition": self.partition,
            "region": self.region,
            "account": self.account,
            "migration": migration.migration,
            "source_table": migration.source_table,
            "target_table": migration.target_table,
            "control_table": self.names.control_table,
            "pages_stream": self.names.pages_stream,
            "rejects_bucket": self.bucket.bucket_name,
            "state_machine": self.names.state_machine,
            **{function.state: self.names.function(function.state) for function in STREAMS},
        }


def acknowledge(construct: Construct, rule: str, reason: str) -> None:
    """Keep what a rule of cdk-nag finds in one construct, and say why."""
    cdk.Validations.of(construct).acknowledge(cdk.Acknowledgment(id=f"AwsSolutions::{rule}", reason=reason))


_DAYS = {
    7: "ONE_WEEK",
    14: "TWO_WEEKS",
    30: "ONE_MONTH",
    60: "TWO_MONTHS",
    90: "THREE_MONTHS",
    180: "SIX_MONTHS",
    365: "ONE_YEAR",
}
