"""What all accounts of a process share: connections by host, and for each service and region how it is called.

A client of botocore's costs 2 to 100 ms CPU and up to 17 MB: there is one for each service and region, not one for each
account.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stocktake.collect.bodies import BodyReader
from stocktake.collect.credentials import ProviderClock
from stocktake.collect.endpoint_health import EndpointHealth, RegionHealth
from stocktake.collect.requests import RequestBuilder

if TYPE_CHECKING:
    from collections.abc import Callable

    from stocktake.collect.endpoint_maker import EndpointMaker
    from stocktake.collect.http import HttpClient
    from stocktake.collect.limiter import Limiters


class Endpoint:
    """One service in one region, whoever calls: its model, its requests, its answers, its health."""

    __slots__ = ("bodies", "health", "model", "requests")

    def __init__(self, botocore_client: Any, health: EndpointHealth) -> None:  # noqa: ANN401 - botocore has no types
        self.model = botocore_client.meta.service_model
        self.requests = RequestBuilder(botocore_client)
        self.bodies = BodyReader(self.model, botocore_client.meta.events)
        self.health = health


class Endpoints:
    """The endpoints of one configuration (endpoint URLs, FIPS, dual-stack, models), made as they are asked for."""

    def __init__(
        self,
        maker: EndpointMaker,
        http: HttpClient,
        make_limiters: Callable[[], Limiters],
        configuration: object = None,
    ) -> None:
        self.http = http
        self.clock = ProviderClock()
        self.configuration = configuration
        """What two sessions must have in common to share this."""
        self._maker = maker
        self._make_limiters = make_limiters
        self._endpoints: dict[tuple[str, str], Endpoint] = {}
        self._health: dict[tuple[str, str], EndpointHealth] = {}
        self._regions: dict[str, RegionHealth] = {}
        self._limiters: dict[str, Limiters] = {}

    def known_regions(self, partition: str) -> tuple[str, ...]:
        """Return the regions of a partition, as the models have them."""
        return self._maker.known_regions(partition)

    def partition(self, region: str) -> str:
        """Return the partition that a region is in; '' where the models do not know it."""
        return self._maker.partition(region)

    def endpoint(self, service: str, region: str) -> Endpoint:
        """Return how a service is called in a region."""
        key = (service, region)
        endpoint = self._endpoints.get(key)
        if endpoint is None:
            endpoint = self._endpoints[key] = Endpoint(
                self._maker.make_client(service, region), self.health(service, region)
            )
        return endpoint

    def health(self, service: str, region: str) -> EndpointHealth:
        """Return what is known of an endpoint's answering; it outlives what was loaded for it."""
        key = (service, region)
        health = self._health.get(key)
        if health is None:
            beside = self._regions.setdefault(region, RegionHealth())
            health = self._health[key] = EndpointHealth(service, region, beside)
        return health

    def limiters(self, account_id: str) -> Limiters:
        """Return the limiters of an account, the same for all credentials that lead to it."""
        limiters = self._limiters.get(account_id)
        if limiters is None:
            limiters = self._limiters[account_id] = self._make_limiters()
        return limiters

    def forget(self, service: str) -> None:
        """Drop what was loaded for a service, so that going through all of them does not keep them all."""
        for key in [key for key in self._endpoints if key[0] == service]:
            del self._endpoints[key]
        self._maker.forget(service)
