"""Whatever the model allows survives normalize, store and query as botocore's parser delivers it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import botocore.session
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model_values import differences, expected, field_name, parsed_by_botocore, through_a_file, wire_value
from stocktake.normalize.normalizer import Normalizer
from stocktake.normalize.redact import Redactor, Suspicion
from stocktake.providers.aws.models import open_models
from stocktake.resource_types.registry import load_type
from stocktake.resource_types.spec import ResourceType

TYPES = [
    "aws_sagemaker_trainingjob",
    "aws_sagemaker_model",
    "aws_sagemaker_endpoint",
    "aws_dynamodb_table",
    "aws_lambda_function",
    "aws_kms_key",
    "aws_stepfunctions_statemachine",
    "aws_eks_cluster",
]
_session = botocore.session.Session()
_models = open_models()


@dataclass(frozen=True)
class Subject:
    """A type, the operation whose answers hold it, and how to get at the resource in them."""

    type: ResourceType
    operation: Any
    normalizer: Normalizer

    def answer(self, random: Random, density: float) -> dict[str, Any]:
        """Return an answer that holds one resource: the describe call's, or a list of one item."""
        document: dict[str, Any] = wire_value(self.operation.output_shape, random, density)
        if self.type.describe_call is not None:
            found = document
            for member in self.type.describe_call.result_path:
                found = found.setdefault(member, {})
            return document
        [member] = self.type.list_call.result_path
        item = self.operation.output_shape.members[member].member
        return {member: [wire_value(item, random, density)]}

    def body(self, answer: dict[str, Any]) -> bytes:
        """Return what collecting hands on: the whole answer, or the list item."""
        if self.type.describe_call is not None:
            return orjson.dumps(answer)
        return orjson.dumps(answer[self.type.list_call.result_path[0]][0])

    def wanted(self, answer: dict[str, Any]) -> dict[str, Any]:
        """Return the row that botocore's parser makes of an answer."""
        parsed: Any = parsed_by_botocore(self.operation, orjson.dumps(answer))
        shape = self.operation.output_shape
        if self.type.describe_call is not None:
            for member in self.type.describe_call.result_path:
                parsed, shape = parsed[member], shape.members[member]
        else:
            [member] = self.type.list_call.result_path
            parsed, shape = parsed[member][0], shape.members[member].member
        row: dict[str, Any] = expected(shape, parsed)
        return row


@cache
def subject(name: str) -> Subject:
    resource_type = load_type(name, _models)
    call = resource_type.describe_call or resource_type.list_call
    model = _session.get_service_model(resource_type.service)
    normalizer = Normalizer(resource_type, Redactor(b"k" * 32))
    return Subject(resource_type, model.operation_model(call.operation), normalizer)


@pytest.mark.parametrize("name", TYPES)
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32), density=st.sampled_from([0.2, 0.6, 0.95]), way=st.sampled_from(Suspicion))
def test_any_document_of_the_model_reads_back_as_botocore_parses_it(
    tmp_path: Path, name: str, seed: int, density: float, way: Suspicion
) -> None:
    it = subject(name)
    random = Random(seed)
    answers = [it.answer(random, density) for _ in range(20)]
    bodies = [it.body(answer) for answer in answers]
    result = it.normalizer.normalize(bodies, [way] * len(bodies))
    assert not result.misfits
    assert not result.unreadable
    assert result.table["_unknown"].null_count == len(bodies)
    rows = through_a_file(tmp_path / "c.duckdb", result.table)
    kept = {f.name for f in it.type.fields if f.provider_name is not None and f.name != "tags"}
    left_out = {field_name(n) for n in it.type.omitted} | {"tags"}
    for answer, row in zip(answers, rows, strict=True):
        wanted = it.wanted(answer)
        assert set(wanted) - left_out <= kept
        assert not differences({k: v for k, v in wanted.items() if k in kept}, {k: row[k] for k in kept})
