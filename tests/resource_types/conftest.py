from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.model import ServiceModel as BotocoreModel

from stocktake.providers.aws.models import open_models
from stocktake.resource_types.derive import derive_types
from stocktake.resource_types.service_types import facts_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stocktake.resource_types.spec import ResourceType


@pytest.fixture(scope="session")
def everything() -> list[tuple[ResourceType, BotocoreModel, Mapping[str, Any]]]:
    """Return every type of every service, of all tiers, with botocore's view of the service and its paginators."""
    models = open_models()
    found = []
    for service in models.service_names:
        model = models.load(service)
        judge = BotocoreModel(model.description, service)
        found += [(one, judge, model.paginators) for one in derive_types(model, facts_of(service)).values()]
        models.forget(service)
    return found
