"""What was derived from the models that Stocktake was released with, as data. Made by `make generate`, never by hand.

`aws/<service>.json` has a service's types but for their fields, `aws/names.json` all names and what else leads to them.
Reading names costs a few milliseconds: nothing here imports what derives.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import orjson

_FOLDER = Path(__file__).parent / "aws"


@dataclass(frozen=True, slots=True)
class TypeName:
    """A type by name, and how good the evidence for it is."""

    name: str
    """`aws_sagemaker_trainingjob`"""
    service: str
    """botocore's folder name."""
    noun: str
    """The provider's singular noun: `TrainingJob`."""
    tier: str
    """See `spec.ResourceType.tier`."""
    cloudformation: str = ""
    """CloudFormation's name for it."""


@dataclass(frozen=True, slots=True)
class Names:
    """All names, and what else leads to them."""

    model_version: str
    """Which models they were derived from: `botocore 1.44.5`."""
    digests: dict[str, str]
    """Service -> digest of its model."""
    types: tuple[TypeName, ...]
    """Sorted by name; tiers A and B, and their parents."""
    prefixes: dict[str, tuple[str, ...]]
    """What a service is also called, without punctuation and case -> services, most likely first."""
    aliases: dict[str, str]
    """Other names of types, without punctuation and case -> name."""
    alone: frozenset[str] = frozenset()
    """Services whose nouns are used without their names: `vpc`."""


@cache
def read_names() -> Names:
    """Return the names that Stocktake was released with."""
    data = orjson.loads((_FOLDER / "names.json").read_bytes())
    return Names(
        model_version=data["model_version"],
        digests=data["digests"],
        types=tuple(TypeName(*row) for row in data["types"]),
        prefixes={prefix: tuple(services) for prefix, services in data["prefixes"].items()},
        alone=frozenset(data["alone"]),
        aliases=data["aliases"],
    )


@cache
def read_service(service: str) -> dict[str, Any] | None:
    """Return the file of a service as it is; None where there is none."""
    path = _FOLDER / f"{service}.json"
    if not path.is_file():
        return None
    data: dict[str, Any] = orjson.loads(path.read_bytes())
    return data
