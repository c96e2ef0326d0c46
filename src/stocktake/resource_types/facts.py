"""What other sources than botocore say of a service's nouns: small facts that go with the generated index.

They are made from CloudFormation's schemas and IAM's service reference when types are generated (`evidence`), and read
from the index at run time. Without any, derivation works from botocore's models alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class NounFacts:
    """What is known of one noun of a service."""

    cloudformation: str = ""
    """CloudFormation's type: `AWS::ECS::Service`."""
    iam: str = ""
    """The resource in IAM's service reference: `training-job`."""
    arn: str = ""
    """That resource's ARN, with placeholders: `arn:{partition}:ecs:{region}:{account_id}:cluster/{ClusterName}`."""
    list_inputs: tuple[str, ...] = ()
    """What CloudFormation must be told to list them: properties that name the resource above."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one service."""

    nouns: Mapping[str, NounFacts] = field(default_factory=dict)
    """By noun, without punctuation and case."""
    acts_on: Mapping[str, str] = field(default_factory=dict)
    """Operation -> the one IAM resource that its permission is for, without punctuation and case: the parent of a list
    whose input is only called `name` or `resourceArn`."""


NO_FACTS = Facts()
