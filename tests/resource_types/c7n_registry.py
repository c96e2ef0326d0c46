"""Print Cloud Custodian's resource types as JSON. Run as a process of its own, with c7n's folder on the path."""

from __future__ import annotations

import importlib
import json
import sys

NAMES = ("service", "enum_spec", "detail_spec", "batch_detail_spec", "id", "arn", "cfn_type", "parent_spec")


def main() -> None:
    # Named at run time: c7n is no dependency of ours, and ships no types.
    clouds = importlib.import_module("c7n.provider").clouds
    importlib.import_module("c7n.resources").load_resources(("aws.*",))
    found = {
        name: {key: getattr(one.resource_type, key, None) for key in NAMES}
        for name, one in clouds["aws"].resources.items()
    }
    json.dump(found, sys.stdout, default=str)


if __name__ == "__main__":
    main()
