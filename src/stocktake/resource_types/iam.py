"""The service part of ARNs, and the permission that a call needs."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING

from stocktake.resource_types.overrides import iam_actions, iam_prefixes

if TYPE_CHECKING:
    from stocktake.providers.aws.models import ServiceModel


@lru_cache(maxsize=1)
def arn_service(model: ServiceModel) -> str:
    """Return the service part of the service's ARNs, which is also its IAM prefix.

    Among the names that the model has for the service, the one that its own text uses in ARNs most; the signing name
    where the text shows none.
    """
    stated = iam_prefixes().get(model.name)
    if stated is not None:
        return stated
    metadata = model.metadata
    signing = str(metadata.get("signingName") or metadata["endpointPrefix"])
    names = [signing, str(metadata["endpointPrefix"]), model.name, str(metadata.get("serviceId", model.name))]
    names = list(dict.fromkeys(name.lower().replace(" ", "").rsplit(".", 1)[-1] for name in names))
    counts = {name: _count_in_arns(name, model.text) for name in names}
    best = max(names, key=lambda name: counts[name])
    return best if counts[best] else names[0]


def iam_action(model: ServiceModel, operation: str) -> str:
    """Return the IAM action of an operation: the prefix, then the operation's own name, but for stated exceptions."""
    own = f"{model.name}:{operation}"
    stated = next((action for pattern, action in iam_actions() if fnmatchcase(own, pattern)), None)
    return stated or f"{arn_service(model)}:{operation}"


def _count_in_arns(name: str, text: bytes) -> int:
    return len(re.findall(rb"arn:aws[^:]{0,12}:" + re.escape(name.encode()) + rb":", text))
