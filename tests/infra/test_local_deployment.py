"""What the local AWS is deployed from is what AWS gets: a test of what may differ, and of nothing else doing so."""

import functools
from typing import Any

import pytest

from infra.aws.functions.registry import FUNCTIONS
from infra.aws.synth import Template as Synthesized
from infra.aws.synth import synthesize
from infra.local.emulator.client import LocalSession
from infra.local.emulator.template import NOT_HERE, Template, TemplateUnknown
from infra.local.rehearsal import deploy
from tests.infra.synthesized import TASKS, example, template
from workflow.definition import Engine

MAY_DIFFER = {
    "AWS::Lambda::Function": {"Timeout", "Environment"},
    "AWS::Kinesis::Stream": {"ShardCount", "StreamModeDetails"},
    "AWS::StepFunctions::StateMachine": {"DefinitionString"},
}


@functools.cache
def local() -> Synthesized:
    return synthesize(
        example(pages_shards=2),
        code=TASKS,
        functions=deploy.scaled(FUNCTIONS, deploy.LOCAL_TIMEOUTS),
        engine=Engine.EMBEDDED,
        most_poll_seconds=deploy.POLL_SECONDS,
    )


def differing(name: str) -> set[str]:
    """Return the properties of a resource that are not the same here and on AWS."""
    here, there = (one["Resources"][name].get("Properties", {}) for one in (local(), template()))
    return {key for key in {*here, *there} if here.get(key) != there.get(key)}


def test_nothing_but_time_outs_shards_and_the_maps_mode_differs_from_aws() -> None:
    assert set(local()["Resources"]) == set(template()["Resources"])
    for name, resource in template()["Resources"].items():
        assert differing(name) <= MAY_DIFFER.get(resource["Type"], set()), name


def test_of_the_environment_only_time_outs_differ() -> None:
    for name, resource in template()["Resources"].items():
        if resource["Type"] == "AWS::Lambda::Function":
            here = local()["Resources"][name]["Properties"]["Environment"]["Variables"]
            there = resource["Properties"]["Environment"]["Variables"]
            assert set(here) == set(there)
            assert {key for key in here if here[key] != there[key]} <= {
                "WRITE_PAGES_TIMEOUT_SECONDS",
                "REPLICATE_CHANGES_TIMEOUT_SECONDS",
            }


def unmade(resources: dict[str, Any]) -> Template:
    return Template(LocalSession("http://127.0.0.1:9", "eu-west-1"), resources, b"")


def test_a_kind_of_resource_that_nobody_taught_it_is_not_left_out_in_silence() -> None:
    with pytest.raises(TemplateUnknown, match="Queue is a AWS::SQS::Queue"):
        unmade({"Queue": {"Type": "AWS::SQS::Queue", "Properties": {}}}).deploy()


@pytest.mark.parametrize("value", [{"Fn::Select": [0, ["a"]]}, {"Fn::GetAtt": ["Logs", "Name"]}])
def test_what_it_can_not_resolve_is_refused_and_not_passed_on(value: dict[str, Any]) -> None:
    resources = {"Logs": {"Type": "AWS::SQS::Queue", "Properties": {}}}
    with pytest.raises(TemplateUnknown):
        unmade(resources).resolve({"Name": value})


def test_what_is_left_out_here_is_what_watches_a_migration_or_its_logs() -> None:
    services = {kind.split("::")[1] for kind in NOT_HERE}
    assert services == {"CloudWatch", "Events", "Lambda", "Logs", "S3", "SNS"}
    assert not {"AWS::S3::Bucket", "AWS::Lambda::Function"} & NOT_HERE
