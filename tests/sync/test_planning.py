"""What a sync reads, from what it is asked for."""

from __future__ import annotations

import pytest

from stocktake.core.errors import UserError
from stocktake.providers.aws.models import open_models
from stocktake.resource_types.registry import list_type_names
from stocktake.sync.planning import load_service_types, plan_services


def names(*asked: str) -> set[str]:
    return {name for plan in plan_services(asked, open_models()) for name in plan.names}


def test_without_a_type_named_every_type_is_planned_service_by_service() -> None:
    plans = plan_services((), open_models())
    assert sorted(name for plan in plans for name in plan.names) == sorted(list_type_names(open_models()))
    assert len({plan.service for plan in plans}) == len(plans) >= 300
    assert not any(plan.known for plan in plans)


def test_a_service_a_pattern_and_a_type_by_any_of_its_names() -> None:
    assert names("dynamodb") == {one for one in names() if one.startswith("aws_dynamodb_")}
    assert names("aws_ec2_vpc*") >= {"aws_ec2_vpc", "aws_ec2_vpcendpoint"}
    assert names("aws_sagemaker_training_job", "AWS_SageMaker_TrainingJob") == {"aws_sagemaker_trainingjob"}
    [plan] = plan_services(("aws_sagemaker_trainingjob", "aws_sagemaker_*"), open_models())
    assert set(plan.known) == {"aws_sagemaker_trainingjob"}


@pytest.mark.parametrize("asked", ["aws_nonsense_*", "aws_sagemaker_trainingjop", ""])
def test_what_fits_nothing_is_said_before_anything_is_read(asked: str) -> None:
    with pytest.raises(UserError):
        names(asked)


def test_parents_come_before_their_children() -> None:
    for service in ("ecs", "apigateway", "ssm", "bedrock-agent", "iot"):
        [plan] = plan_services((service,), open_models())
        types, problems = load_service_types(plan, open_models())
        assert not problems
        order = [one.name for one in types]
        for one in types:
            if one.list_call.parent is not None and one.list_call.parent.type in order:
                assert order.index(one.list_call.parent.type) < order.index(one.name)
