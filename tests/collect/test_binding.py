"""Parameters of a call for one resource."""

from __future__ import annotations

from typing import Any

import botocore.session
import pytest

from stocktake.collect.answers import Scope
from stocktake.collect.binding import Binder
from stocktake.core.errors import DataError
from stocktake.resource_types.spec import DescribeCall

PLAN = DescribeCall("GetSchedule", {"Name": ("Name",), "GroupName": ("GroupName",)}, (), optional=("GroupName",))


class Client:
    """The one thing of a client that binding asks for."""

    def input_shape(self, operation: str) -> Any:
        return botocore.session.Session().get_service_model("scheduler").operation_model(operation).input_shape


def binder() -> Binder:
    client: Any = Client()
    return Binder(client, Scope("1", "aws", "us-east-1", "aws_scheduler_schedule"))


@pytest.mark.parametrize("group", ["nightly", None])
def test_what_a_name_is_unique_within_is_given_where_the_item_has_it(group: str | None) -> None:
    given = {} if group is None else {"GroupName": group}
    assert binder().params(PLAN, {"Name": "tick", "GroupName": group}, {}) == {"Name": "tick", **given}


def test_the_name_itself_must_be_there() -> None:
    with pytest.raises(DataError, match="needs Name"):
        binder().params(PLAN, {"Name": None, "GroupName": "nightly"}, {})
