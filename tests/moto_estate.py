"""An estate of many services in moto's server, made by boto3 from `sync/moto_estate.toml`."""

from __future__ import annotations

import base64
import logging
import re
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import xform_name
from botocore.config import Config
from moto.server import ThreadedMotoServer

from moto_state import forget_all

ESTATE: dict[str, Any] = tomllib.loads((Path(__file__).parent / "sync" / "moto_estate.toml").read_text())
PATIENT = Config(inject_host_prefix=False, retries={"total_max_attempts": 1})
_PLACE = re.compile(r"\{(\w+)\}")
_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "a",
    "AWS_SECRET_ACCESS_KEY": "b",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@contextmanager
def moto_estate() -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the endpoint, and what was kept of the answers of the calls that made the estate."""
    # moto writes a traceback for each of the many operations that it does not have.
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in _ENVIRONMENT.items():
                patch.setenv(name, value)
            server.start()
            forget_all(server)
            host, port = server.get_host_and_port()
            url = f"http://{host}:{port}"
            yield url, seed(url)
    finally:
        server.stop()
        logging.disable(disabled)


def seed(url: str) -> dict[str, str]:
    """Make all calls, each service's in their order; a service waits for what others have to make first."""
    kept: dict[str, str] = {}
    waiting = [
        (service["name"], list(service["calls"]))
        for service in sorted(ESTATE["service"], key=lambda one: not one.get("first", False))
    ]
    while waiting:
        before = sum(len(calls) for _, calls in waiting)
        for name, calls in waiting:
            if not _needed(calls[0][1]) <= kept.keys():
                continue
            client = boto3.client(name, endpoint_url=url, config=PATIENT)
            while calls and _needed(calls[0][1]) <= kept.keys():
                operation, arguments, keep = calls.pop(0)
                answer = getattr(client, xform_name(operation))(**filled(arguments, kept))
                kept |= {key: str(_dig(answer, path)) for key, path in keep.items()}
        assert sum(len(calls) for _, calls in waiting) < before, [calls[0] for _, calls in waiting]
        waiting = [(name, calls) for name, calls in waiting if calls]
    return kept


def filled(value: Any, kept: dict[str, str]) -> Any:
    """Put kept values in their places; `b64:` begins bytes."""
    if isinstance(value, str) and value.startswith("b64:"):
        return base64.b64decode(value[4:])
    if isinstance(value, str):
        place = _PLACE.fullmatch(value)
        return kept[place[1]] if place else value
    if isinstance(value, list):
        return [filled(one, kept) for one in value]
    if isinstance(value, dict):
        return {key: filled(one, kept) for key, one in value.items()}
    return value


def is_called(row: dict[str, Any], name: str) -> bool:
    """Say whether one of a row's fields is what identifies a resource, or an ARN that ends so."""
    texts = [value for value in row.values() if isinstance(value, str)]
    texts += [one for value in row.values() if isinstance(value, list) for one in value if isinstance(one, str)]
    return any(one == name or one.endswith((f"/{name}", f":{name}")) for one in texts)


def _needed(value: Any) -> set[str]:
    if isinstance(value, str):
        place = _PLACE.fullmatch(value)
        return {place[1]} if place else set()
    if isinstance(value, list | dict):
        return {name for one in (value.values() if isinstance(value, dict) else value) for name in _needed(one)}
    return set()


def _dig(value: Any, dotted: str) -> Any:
    for step in dotted.split("."):
        value = value[int(step)] if isinstance(value, list) else value[step]
    return value
