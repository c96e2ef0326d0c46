"""Every list and describe answer that botocore ships as an example goes through normalize without loss."""

from __future__ import annotations

import gzip
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore
import orjson

from stocktake.collect.paths import values_at
from stocktake.normalize.normalizer import Normalizer
from stocktake.normalize.redact import Redactor, Suspicion
from stocktake.providers.aws.models import open_models
from stocktake.resource_types.registry import list_types, load_type
from stocktake.resource_types.spec import ResourceType


def test_recorded_examples_lose_nothing() -> None:
    models = open_models()
    names: dict[str, list[str]] = defaultdict(list)
    for one in list_types(models):
        names[one.service].append(one.name)
    documents = 0
    types = set()
    for service, examples in _examples():
        for name in names[service]:
            resource_type = load_type(name, models)
            bodies = [_body(resource_type, item) for item in _items(resource_type, examples)]
            if not bodies:
                continue
            normalizer = Normalizer(resource_type, Redactor(b"k" * 32))
            result = normalizer.normalize(bodies, [Suspicion.NONE] * len(bodies))
            normalizer.close()
            assert (name, result.misfits, result.unreadable) == (name, [], [])
            assert (name, result.table["_unknown"].null_count) == (name, len(bodies))
            documents += len(bodies)
            types.add(name)
    assert documents >= 240
    assert len(types) >= 130


def _examples() -> Iterator[tuple[str, dict[str, list[Any]]]]:
    for file in sorted(Path(botocore.__path__[0]).glob("data/*/*/examples-1.json*")):
        raw = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        yield file.parts[-3], orjson.loads(raw).get("examples", {})


def _items(resource_type: ResourceType, examples: dict[str, list[Any]]) -> Iterator[dict[str, Any]]:
    call = resource_type.describe_call or resource_type.list_call
    for example in examples.get(call.operation, ()):
        output = example.get("output") or {}
        found = values_at(output, call.result_path) if call.result_path else [output] if output else []
        yield from (item for item in found if isinstance(item, dict))


def _body(resource_type: ResourceType, item: dict[str, Any]) -> bytes:
    body: object = item
    for member in reversed(resource_type.describe_call.result_path if resource_type.describe_call else ()):
        body = {member: body}
    return orjson.dumps(body)
