"""CloudFormation's resource schemas as cfn-lint ships them: which things are resources, and what reads them.

Only read when types are generated and in tests; a user's installation does without.
Source: `cfnlint/data/schemas/{providers/us-east-1.json,resources/<hash>.json}`.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

import orjson

from stocktake.core.errors import UserError

_REGION = "us-east-1"
"""The region that has nearly all types."""


@dataclass(frozen=True, slots=True)
class CloudFormationType:
    """One resource type of CloudFormation."""

    name: str
    """`AWS::SageMaker::Model`"""
    list_permissions: tuple[str, ...]
    """IAM actions of its list handler: `sagemaker:ListModels`."""
    read_permissions: tuple[str, ...]
    list_inputs: tuple[str, ...]
    """Properties that its list handler must be given: the resource above it."""

    @property
    def namespace(self) -> str:
        """Return the middle part of the name: `SageMaker`."""
        return self.name.split("::")[1]

    @property
    def noun(self) -> str:
        """Return the last part of the name: `Model`."""
        return self.name.split("::")[2]


def read_cloudformation_types() -> list[CloudFormationType]:
    """Return all types of Amazon's own, sorted by name.

    Raises: UserError where cfn-lint is not installed.
    """
    try:
        folder = files("cfnlint").joinpath("data", "schemas")
    except ModuleNotFoundError as error:
        raise UserError(
            "CloudFormation's schemas are not installed.", code="no_cloudformation", hint="Install cfn-lint."
        ) from error
    index = orjson.loads(folder.joinpath("providers", f"{_REGION}.json").read_bytes())
    found = []
    for name, stored_as in sorted(index.items()):
        if not name.startswith("AWS::"):
            continue
        schema = orjson.loads(folder.joinpath("resources", f"{stored_as}.json").read_bytes())
        handlers = schema.get("handlers", {})
        listing = handlers.get("list", {})
        found.append(
            CloudFormationType(
                name=name,
                list_permissions=tuple(listing.get("permissions", ())),
                read_permissions=tuple(handlers.get("read", {}).get("permissions", ())),
                list_inputs=tuple(listing.get("handlerSchema", {}).get("required", ())),
            )
        )
    return found
