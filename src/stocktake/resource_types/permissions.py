"""The least that reading types has to be allowed, as an IAM policy document."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from stocktake.resource_types.spec import ResourceType

CALLER = "sts:GetCallerIdentity"
TAGS_IN_BULK = "tag:GetResources"
MANAGED_POLICY_CHARACTERS = 6_144
"""The most that one managed policy may have, without white space.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
"""


def needed_actions(types: Iterable[ResourceType], load: Callable[[str], ResourceType]) -> frozenset[str]:
    """Return the IAM actions that a sync of these types calls, those for the parents of child types included."""
    wanted = {CALLER}
    parents: dict[str, ResourceType] = {}
    for one in types:
        wanted.update(one.iam_actions)
        if one.tags_call is not None:
            wanted.add(TAGS_IN_BULK)
        _add_parents(one, load, parents)
    for parent in parents.values():
        # Children take their inputs from the parent's list item, or from its document; its tags are not read for them.
        calls = (parent.list_call, parent.describe_call)
        wanted.update(call.iam_action for call in calls if call is not None)
    return frozenset(action for action in wanted if action)


def _add_parents(one: ResourceType, load: Callable[[str], ResourceType], parents: dict[str, ResourceType]) -> None:
    above = one.list_call.parent
    if above is not None and above.type not in parents:
        parents[above.type] = load(above.type)
        _add_parents(parents[above.type], load, parents)


def policy_document(actions: Iterable[str]) -> dict[str, object]:
    """Return a policy that allows these actions on everything: a statement for each service, all sorted."""
    services: dict[str, set[str]] = {}
    for action in actions:
        services.setdefault(action.split(":", 1)[0], set()).add(action)
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "Read" + "".join(part.capitalize() for part in service.split("-")),
                "Effect": "Allow",
                "Action": sorted(services[service]),
                "Resource": "*",
            }
            for service in sorted(services)
        ],
    }
