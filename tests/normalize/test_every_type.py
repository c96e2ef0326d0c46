"""Values of any derived type survive normalize, store and query: a sample in each run, all with STOCKTAKE_TEST_ALL."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest

from model_values import DOUBLES, INTEGERS, LONGS, STRINGS, TIMES, AsJson, differences, through_a_file
from stocktake.normalize.normalizer import Normalizer
from stocktake.normalize.redact import Redactor, Suspicion
from stocktake.providers.aws.models import open_models
from stocktake.resource_types.registry import list_type_names, load_type
from stocktake.resource_types.spec import Field, Kind, ValueType

_models = open_models()
_all = list_type_names(_models)
# Beside the sample: a field called like a part of the statement, and the largest types of all.
_HARD = ("aws_elasticache_globalreplicationgroup", "aws_mediaconvert_job", "aws_mediaconvert_jobtemplate")
SAMPLE = _all if os.environ.get("STOCKTAKE_TEST_ALL") else sorted({*_all[7::60], *_HARD})


class Values:
    """Random values of value types: as collecting delivers them, and as a row should show them."""

    def __init__(self, seed: int, density: float) -> None:
        self._random = Random(seed)
        self._density = density

    def document(self, fields: tuple[Field, ...]) -> tuple[dict[str, Any], dict[str, Any]]:
        sent: dict[str, Any] = {}
        wanted: dict[str, Any] = {}
        for field in fields:
            wanted[field.name] = None
            if field.provider_name is None or self._random.random() > self._density:
                continue
            sent[field.provider_name], wanted[field.name] = self.value(field.type)
        return sent, wanted

    def value(self, kind: ValueType) -> tuple[Any, Any]:
        choose = self._random.choice
        match kind.kind:
            case Kind.STRUCT if kind.fields:
                return self.document(kind.fields)
            case Kind.LIST if kind.element is not None:
                pairs = [self.value(kind.element) for _ in range(self._random.randint(0, 2))]
                return [sent for sent, _ in pairs], [wanted for _, wanted in pairs]
            case Kind.MAP if kind.element is not None:
                keys = self._random.sample(STRINGS, self._random.randint(0, 3))
                entries = {key: self.value(kind.element) for key in keys}
                return {k: v[0] for k, v in entries.items()}, {k: v[1] for k, v in entries.items()}
            case Kind.JSON | Kind.STRUCT:
                free: dict[str, Any] = {"a": [1, {"b": None, "c": choose(STRINGS)}], "d": True}
                return free, AsJson(free)
            case Kind.TIMESTAMP:
                return self._time(kind)
            case Kind.BOOLEAN:
                truth = choose([True, False])
                return truth, truth
            case Kind.FLOAT:
                number = choose([0.0, 0.5, -2.25, 1024.0])
                return number, number
            case other:
                pools: dict[Kind, list[Any]] = {Kind.INT32: [*INTEGERS], Kind.INT64: [*LONGS], Kind.DOUBLE: [*DOUBLES]}
                plain = choose(pools.get(other, STRINGS))
                return plain, plain

    def _time(self, kind: ValueType) -> tuple[Any, Any]:
        moment = datetime.fromtimestamp(self._random.choice([t for t in TIMES if t >= 0]), UTC)
        wanted = moment.replace(tzinfo=None)
        if kind.timestamp_format == "iso8601":
            return moment.isoformat().replace("+00:00", "Z"), wanted
        if kind.timestamp_format == "rfc822":
            return moment.strftime("%a, %d %b %Y %H:%M:%S GMT"), wanted.replace(microsecond=0)
        return moment.timestamp(), wanted


@pytest.mark.parametrize("name", SAMPLE)
def test_any_value_of_the_type_survives(tmp_path: Path, name: str) -> None:
    resource_type = load_type(name, _models)
    fields = tuple(f for f in resource_type.fields if f.provider_name is not None and f.name != "tags")
    normalizer = Normalizer(resource_type, Redactor(b"k" * 32))
    sent_and_wanted = []
    for seed, density in enumerate((0.0, 0.3, 0.7, 1.0)):
        sent_and_wanted.append(Values(seed, density).document(fields))
    path = resource_type.describe_call.result_path if resource_type.describe_call else ()
    bodies = []
    for sent, _ in sent_and_wanted:
        body: object = sent
        for member in reversed(path):
            body = {member: body}
        bodies.append(orjson.dumps(body))
    result = normalizer.normalize(bodies, [Suspicion.NONE] * len(bodies))
    normalizer.close()
    assert not result.unreadable
    assert not result.misfits
    assert result.table["_unknown"].null_count == len(bodies)
    rows = through_a_file(tmp_path / "c.duckdb", result.table)
    for (_, wanted), row in zip(sent_and_wanted, rows, strict=True):
        assert not differences(wanted, {f.name: row[f.name] for f in fields})
