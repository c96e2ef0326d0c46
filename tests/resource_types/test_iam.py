from __future__ import annotations

from fnmatch import fnmatchcase
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from stocktake.providers.aws.models import open_models
from stocktake.resource_types import overrides
from stocktake.resource_types.iam import arn_service, iam_action

if TYPE_CHECKING:
    from stocktake.resource_types.spec import ResourceType

MODELS = open_models()


def known_actions() -> dict[str, set[str]]:
    """Return IAM's own actions by prefix, in lower case, as cfn-lint knows them."""
    text = files("cfnlint").joinpath("data", "AdditionalSpecs", "Policies.json").read_bytes()
    services: dict[str, dict[str, Any]] = orjson.loads(text)
    return {prefix: set(service["Actions"]) for prefix, service in services.items()}


def test_nearly_all_actions_exist_in_iam(everything: list[tuple[ResourceType, Any, Any]]) -> None:
    """96.9 % when written: most of the rest are operations newer than the list."""
    known = known_actions()
    actions = {action for one, _, _ in everything for action in one.iam_actions}
    there = {action for action in actions if action.split(":")[1].lower() in known.get(action.split(":")[0], ())}
    assert len(actions) > 2000
    assert len(there) / len(actions) > 0.96


@pytest.mark.parametrize(
    ("service", "prefix"),
    [
        ("sagemaker", "sagemaker"),
        ("stepfunctions", "states"),
        ("cloudwatch", "cloudwatch"),
        ("efs", "elasticfilesystem"),
        ("emr", "elasticmapreduce"),
        ("elbv2", "elasticloadbalancing"),
        ("ecr", "ecr"),
        ("sesv2", "ses"),
        ("opensearch", "es"),
        ("cognito-idp", "cognito-idp"),
        ("mturk", "mechanicalturk"),
    ],
)
def test_prefix(service: str, prefix: str) -> None:
    assert arn_service(MODELS.load(service)) == prefix


def test_every_override_of_permissions_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    stated = overrides.stated()
    known = known_actions()
    monkeypatch.setattr("stocktake.resource_types.iam.iam_prefixes", dict)
    monkeypatch.setattr("stocktake.resource_types.iam.iam_actions", tuple)
    arn_service.cache_clear()
    for entry in stated["iam_prefix"]:
        assert arn_service(MODELS.load(entry["service"])) != entry["prefix"], "derivation yields this already"
        assert entry["prefix"] in known
    for entry in stated["iam_action"]:
        service = entry["operations"].split(":")[0]
        model = MODELS.load(service)
        concerned = [one for one in model.operations if fnmatchcase(f"{service}:{one}", entry["operations"])]
        assert concerned
        assert entry["action"] not in {iam_action(model, one) for one in concerned}, "derivation yields this already"
        assert entry["action"].split(":")[1].lower() in known[entry["action"].split(":")[0]]
    arn_service.cache_clear()
