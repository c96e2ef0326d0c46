"""Request parameters from a plan's bindings, constants and scope, each in the form that the operation takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stocktake.collect.paths import set_at
from stocktake.core.errors import DataError
from stocktake.resource_types.spec import DescribeCall

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stocktake.collect.answers import Scope
    from stocktake.collect.service_client import ServiceClient
    from stocktake.resource_types.spec import Facet, TagsCall


class Binder:
    """Fills in the requests of one service within one scope."""

    def __init__(self, client: ServiceClient, scope: Scope) -> None:
        self._client = client
        self._scope = scope
        self._kinds: dict[tuple[str, str], str] = {}

    def params(
        self, plan: DescribeCall | TagsCall | Facet, values: Mapping[str, object], listing: Mapping[str, object]
    ) -> dict[str, Any]:
        """Return the parameters of a call for one resource; of a batch call, as if it were for this one alone.

        Raises: DataError where a value is missing.
        """
        params = self.constants(plan.operation, plan.arguments, plan.context)
        if plan.inherited:
            values = {**values, **{member: listing.get(key) for member, key in plan.inherited.items()}}
        if isinstance(plan, DescribeCall) and plan.optional:
            values = {name: value for name, value in values.items() if value is not None or name not in plan.optional}
        self.add(params, plan.operation, values)
        return params

    def constants(self, operation: str, arguments: Mapping[str, object], context: Mapping[str, str]) -> dict[str, Any]:
        """Return what does not depend on a resource."""
        params = dict(arguments)
        if context:
            of_scope = {
                "account_id": self._scope.account_id,
                "region": self._scope.asked_region,
                "partition": self._scope.partition,
            }
            self.add(params, operation, {member: of_scope[name] for member, name in context.items()})
        return params

    def add(self, params: dict[str, Any], operation: str, values: Mapping[str, object]) -> None:
        """Add values, each in a list where the operation takes one. Raises: DataError where one is missing."""
        for member, value in values.items():
            if value is None:
                raise DataError(
                    f"{operation} needs {member}, which what was listed does not have.",
                    code="unbound_parameter",
                    where=f"{self._scope.account_id}/{self._scope.region}/{self._scope.type_name}",
                )
            if not isinstance(value, list) and self._kind(operation, member) == "list":
                value = [value]  # noqa: PLW2901 - the same value, as the operation takes it
            if "." in member:
                set_at(params, member, value)
            else:
                params[member] = value

    def add_limit(self, params: dict[str, Any], operation: str, member: str, size: int) -> None:
        """Ask for the longest page: as a text where the operation takes one."""
        if member not in params:
            params[member] = str(size) if self._kind(operation, member) == "string" else size

    def _kind(self, operation: str, dotted: str) -> str:
        known = self._kinds.get((operation, dotted))
        if known is None:
            shape = self._client.input_shape(operation)
            for member in dotted.split("."):
                members = shape.members if shape is not None and shape.type_name == "structure" else {}
                shape = members.get(member)
            known = self._kinds[operation, dotted] = "" if shape is None else shape.type_name
        return known
