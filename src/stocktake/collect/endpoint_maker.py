"""Clients of botocore's for their models, endpoint rules and handlers; none of them ever sends anything."""

from __future__ import annotations

import os
from functools import cache
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from botocore.config import Config
from botocore.exceptions import BotoCoreError, UnknownRegionError, UnknownServiceError
from botocore.loaders import create_loader

from stocktake.core.errors import UserError
from stocktake.providers.aws.models import open_models


class EndpointMaker:
    """Makes clients with one profile's configuration, and with nobody's keys."""

    def __init__(self, botocore_session: Any, endpoint_url: str | None, profile: str) -> None:  # noqa: ANN401 - botocore has no types
        self._botocore = botocore_session
        self._endpoint_url = endpoint_url
        self._profile = profile
        self._config = Config(inject_host_prefix=False) if _is_address(endpoint_url) else None

    def make_client(self, service: str, region: str) -> Any:  # noqa: ANN401 - botocore has no types
        """Make the client of a service in a region.

        Raises: UserError where there is no such service, or the configuration makes no sense.
        """
        try:
            return self._botocore.create_client(
                service,
                region_name=region,
                endpoint_url=self._endpoint_url,
                config=self._config,
                # Nobody's: all accounts share the client, and real keys may lead to an endpoint of one account's own.
                aws_access_key_id="shared",
                aws_secret_access_key="shared",  # noqa: S106 - nothing is signed with it
            )
        except UnknownServiceError as error:
            raise UserError(
                f"The models know no service {service!r}.", code="unknown_service", hint="Update botocore."
            ) from error
        except ValueError as error:
            raise UserError(
                str(error), code="bad_url", hint="An endpoint is written http://host:port or https://host."
            ) from error
        except BotoCoreError as error:
            raise UserError(str(error), code="bad_configuration", where=self._profile) from error

    def forget(self, service: str) -> None:
        """Drop a service's models: botocore's loader keeps every one that it read, and has no way to drop one."""
        kept = self._botocore.get_component("data_loader")._cache  # noqa: SLF001 - see above
        for key in [key for key in kept if any(_is_of(part, service) for part in key)]:
            del kept[key]

    def known_regions(self, partition: str) -> tuple[str, ...]:
        """Return the regions of a partition, as the models have them."""
        return tuple(self._botocore.get_available_regions("ec2", partition_name=partition))

    def partition(self, region: str) -> str:
        """Return the partition that a region is in; '' where the models do not know it."""
        try:
            return str(self._botocore.get_partition_for_region(region))
        except UnknownRegionError:
            return ""


@cache
def shared_loader(data_path: str, models: str) -> Any:  # noqa: ANN401 - botocore has no types
    """Make a loader that all sessions share: a service's model is read and kept once, not once per account."""
    folders = [str(folder) for folder in open_models(models).folders] if models else []
    return create_loader(os.pathsep.join(filter(None, [*folders, data_path])) or None)


def _is_address(endpoint_url: str | None) -> bool:
    """Say whether an endpoint is an address or this machine: no name can be put before that, as some services do."""
    host = urlsplit(endpoint_url).hostname if endpoint_url else None
    if not host:
        return False
    try:
        ip_address(host)
    except ValueError:
        return host == "localhost"
    return True


def _is_of(part: object, service: str) -> bool:
    return isinstance(part, str) and (part == service or part.startswith(f"{service}/"))
