"""The target that is made: protected from birth, and with no key that DynamoDB would refuse or that stays empty."""

from typing import Any

import boto3
import pytest

from tasks import create_replicas
from tasks.aws.dynamodb import tables
from tasks.aws.session import clients
from tasks.core.errors import PreconditionFailed, ReplicasPending
from tasks.core.model.capacity import WarmThroughput
from tests.unit.aws_fakes import PLAN, Context, FakeAws


class FakeCreateTable:
    """Takes what a table is made of, and refuses what DynamoDB refuses."""

    def __init__(self) -> None:
        self.made: dict[str, Any] = {}

    def create_table(self, **request: Any) -> None:  # noqa: ANN401 — boto3's
        indexes = request.get("GlobalSecondaryIndexes", []) + request.get("LocalSecondaryIndexes", [])
        keys = {entry["AttributeName"] for owner in (request, *indexes) for entry in owner["KeySchema"]}
        defined = [entry["AttributeName"] for entry in request["AttributeDefinitions"]]
        assert sorted(defined) == sorted(keys), "DynamoDB refuses a definition too many, and one too few"
        self.made = request


def hash_key(name: str) -> list[dict[str, str]]:
    return [{"AttributeName": name, "KeyType": "HASH"}]


def index(name: str, key: str, status: str = "ACTIVE") -> dict[str, Any]:
    told = {"IndexStatus": status, "ItemCount": 7, "IndexArn": "arn"}
    return {"IndexName": name, "KeySchema": hash_key(key), "Projection": {"ProjectionType": "ALL"}, **told}


SOURCE: dict[str, Any] = {
    "TableName": "source",
    "TableId": "source-1",
    "KeySchema": hash_key("pk"),
    "AttributeDefinitions": [
        {"AttributeName": name, "AttributeType": "S"} for name in ("pk", "status", "owner", "aws:rep:updatetime", "old")
    ],
    "GlobalSecondaryIndexes": [
        index("by-status", "status"),
        index("by-owner", "owner"),
        index("by-update", "aws:rep:updatetime"),
        index("by-old", "old", "DELETING"),
    ],
}


@pytest.fixture
def dynamodb(monkeypatch: pytest.MonkeyPatch) -> FakeCreateTable:
    fake = FakeCreateTable()
    monkeypatch.setattr(clients, "dynamodb", lambda *_: fake)
    return fake


def test_a_target_that_we_make_can_not_be_deleted_by_a_slip_of_the_hand(dynamodb: FakeCreateTable) -> None:
    tables.create_like(SOURCE, PLAN.target)  # type: ignore[arg-type] # as far as it is read
    assert dynamodb.made["DeletionProtectionEnabled"] is True


def test_an_index_that_would_stay_empty_or_is_on_its_way_out_is_not_made(dynamodb: FakeCreateTable) -> None:
    tables.create_like(SOURCE, PLAN.target)  # type: ignore[arg-type] # as above
    assert [made["IndexName"] for made in dynamodb.made["GlobalSecondaryIndexes"]] == ["by-status", "by-owner"]
    assert set(dynamodb.made["GlobalSecondaryIndexes"][0]) == {"IndexName", "KeySchema", "Projection"}


def test_an_index_that_would_refuse_items_can_be_left_for_later(dynamodb: FakeCreateTable) -> None:
    tables.create_like(SOURCE, PLAN.target, without_indexes=["by-status", "by-owner"])  # type: ignore[arg-type] # as above
    assert "GlobalSecondaryIndexes" not in dynamodb.made


def test_an_index_by_several_attributes_is_made_with_all_of_them(dynamodb: FakeCreateTable) -> None:
    keys = [
        *({"AttributeName": name, "KeyType": "HASH"} for name in ("status", "owner")),
        *({"AttributeName": name, "KeyType": "RANGE"} for name in ("pk", "old")),
    ]
    source: dict[str, Any] = {**SOURCE, "GlobalSecondaryIndexes": [{**index("by-four", "any"), "KeySchema": keys}]}
    tables.create_like(source, PLAN.target)  # type: ignore[arg-type] # as above
    assert dynamodb.made["GlobalSecondaryIndexes"][0]["KeySchema"] == keys
    described = {**source, "TableArn": "arn", "TableStatus": "ACTIVE"}
    facts = tables.facts_of(described)  # type: ignore[arg-type] # as above
    assert facts.indexes[0].in_words() == (
        "global, by status HASH S and owner HASH S and pk RANGE S and old RANGE S, with ALL"
    )


def test_a_vector_index_is_seen_as_dynamodb_describes_it() -> None:
    """The names are those of botocore's model of DescribeTable."""
    described = {
        "IndexName": "by-meaning",
        "VectorAttribute": {"AttributeName": "embedding"},
        "SearchSchema": [
            {"AttributeName": "city", "SearchSchemaElementType": "HASH"},
            {"AttributeName": "open", "SearchSchemaElementType": "INLINE_FILTER"},
        ],
        "Projection": {"ProjectionType": "KEYS_ONLY"},
        "Dimensions": 768,
        "DistanceFunction": "COSINE",
        "IndexStatus": "ACTIVE",
    }
    model = boto3.client("dynamodb", region_name="eu-west-1").meta.service_model
    known: Any = model.shape_for("VectorIndexDescription")
    assert set(described) <= set(known.members)
    table = {**SOURCE, "TableArn": "arn", "TableStatus": "ACTIVE", "VectorIndexes": [described]}
    found = tables.facts_of(table).indexes[-1]  # type: ignore[arg-type] # as above
    assert found.is_vector
    assert found.in_words() == "vector, by embedding COSINE 768 and city HASH and open INLINE_FILTER, with KEYS_ONLY"


def test_a_target_is_made_as_warm_as_it_is_to_be_and_each_of_its_global_indexes_too(dynamodb: FakeCreateTable) -> None:
    source = {**SOURCE, "LocalSecondaryIndexes": [index("by-old", "old")]}
    tables.create_like(source, PLAN.target, warm=WarmThroughput(write_units=20_000))  # type: ignore[arg-type] # as above
    warm = {"WriteUnitsPerSecond": 20_000}
    assert dynamodb.made["WarmThroughput"] == warm
    assert [made["WarmThroughput"] for made in dynamodb.made["GlobalSecondaryIndexes"]] == [warm, warm]
    assert "WarmThroughput" not in dynamodb.made["LocalSecondaryIndexes"][0], "it takes from its table's"
    tables.create_like(source, PLAN.target)  # type: ignore[arg-type] # as above
    assert "WarmThroughput" not in dynamodb.made


@pytest.mark.parametrize(
    ("of_table", "of_index", "units", "is_provisioned"),
    [
        (
            {"ProvisionedThroughput": {"ReadCapacityUnits": 3, "WriteCapacityUnits": 5}},
            {"ProvisionedThroughput": {"ReadCapacityUnits": 4, "WriteCapacityUnits": 7}},
            (5, 7),
            True,
        ),
        (
            {
                "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
                "ProvisionedThroughput": {"WriteCapacityUnits": 0},
            },
            {"ProvisionedThroughput": {"WriteCapacityUnits": 0}},
            (None, None),
            False,
        ),
        (
            {
                "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
                "OnDemandThroughput": {"MaxReadRequestUnits": -1, "MaxWriteRequestUnits": 10},
            },
            {"OnDemandThroughput": {"MaxReadRequestUnits": 1, "MaxWriteRequestUnits": -1}},
            (10, None),
            False,
        ),
    ],
)
def test_what_bounds_the_writes_to_a_table_and_its_index_is_seen(
    of_table: dict[str, Any], of_index: dict[str, Any], units: tuple[int | None, int | None], *, is_provisioned: bool
) -> None:
    indexed = {
        **index("by-status", "status"),
        "WarmThroughput": {"ReadUnitsPerSecond": 13_000, "WriteUnitsPerSecond": 5000},
        **of_index,
        "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["b", "a"]},
    }
    described = {
        **SOURCE,
        "TableArn": "arn",
        "TableStatus": "ACTIVE",
        "WarmThroughput": {"ReadUnitsPerSecond": 12_000, "WriteUnitsPerSecond": 4000},
        "GlobalSecondaryIndexes": [indexed],
        "LocalSecondaryIndexes": [{**index("by-owner", "owner"), "ProvisionedThroughput": {"WriteCapacityUnits": 1}}],
        **of_table,
    }
    facts = tables.facts_of(described)  # type: ignore[arg-type] # as far as it is read
    local, found = sorted(facts.indexes, key=lambda one: one.is_global)
    assert (facts.write_units, found.write_units, facts.is_provisioned) == (*units, is_provisioned)
    assert (facts.read_units, found.read_units) == ((3, 4) if is_provisioned else (None, found.read_units))
    assert (facts.warm_read_units, facts.warm_write_units) == (12_000, 4000)
    assert (found.warm_read_units, found.warm_write_units) == (13_000, 5000)
    assert {local.read_units, local.write_units, local.warm_read_units, local.warm_write_units} == {None}
    assert found.in_words() == "global, by status HASH S, with INCLUDE a b"


# ---------------------------------------------------------------- what became of the tables since Preflight


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, dynamodb: FakeCreateTable) -> FakeAws:
    fake = FakeAws().install(monkeypatch)
    assert dynamodb.made == {}
    return fake


UNMADE = PLAN.target.model_copy(update={"id": None})


def create(**plan: object) -> None:
    create_replicas.handler({"plan": PLAN.model_copy(update=plan).model_dump(mode="json")}, Context())


def test_a_target_that_was_there_is_never_made_again_behind_a_proof(aws: FakeAws, dynamodb: FakeCreateTable) -> None:
    del aws.stage.tables["target"]
    with pytest.raises(PreconditionFailed, match="target was deleted since Preflight; start a new execution"):
        create()
    with pytest.raises(ReplicasPending, match="target is being created"):
        create(target=UNMADE, without_indexes=("by-status",))
    assert dynamodb.made["TableName"] == "target"


def test_another_table_under_the_targets_name_is_not_taken_for_it(aws: FakeAws) -> None:
    create()
    aws.stage.tables["target"]["TableId"] = "target-2"
    with pytest.raises(PreconditionFailed, match="another table stands under its name"):
        create()
    create(target=UNMADE)  # of a target that is to be made, an earlier call may have made it
    aws.stage.tables["target"]["KeySchema"] = hash_key("pk2")
    aws.stage.tables["target"]["AttributeDefinitions"] = [{"AttributeName": "pk2", "AttributeType": "S"}]
    with pytest.raises(PreconditionFailed, match="with another key than the source's"):
        create(target=UNMADE)


def test_a_target_is_not_made_in_the_shape_of_another_source(aws: FakeAws, dynamodb: FakeCreateTable) -> None:
    del aws.stage.tables["target"]
    aws.stage.tables["source"]["TableId"] = "source-2"
    with pytest.raises(PreconditionFailed, match="source was deleted since Preflight"):
        create(target=UNMADE)
    assert dynamodb.made == {}
