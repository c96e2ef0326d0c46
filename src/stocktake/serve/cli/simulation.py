"""The simulated cloud for the length of a tour: in this process, with profiles of its accounts."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from stocktake.core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stocktake.demo.server import SimulatedCloud

_AWS_FILES = ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")


@contextmanager
def simulated_cloud(
    jobs: int, accounts: int, regions: Sequence[str], speed: float, port: int
) -> Iterator[SimulatedCloud]:
    """Serve a cloud in a thread of its own.

    Raises: UserError where the extra that it needs is not installed, or the port is taken.
    """
    with needing_the_extra():
        from stocktake.demo.clock import DEFAULT_START, VirtualClock
        from stocktake.demo.estate import Estate
        from stocktake.demo.server import SimulatedCloud
    cloud = SimulatedCloud(Estate(jobs, accounts, regions), clock=VirtualClock(DEFAULT_START, speed), port=port)
    with free_port(port):
        cloud.start()
    try:
        yield cloud
    finally:
        cloud.stop()


@contextmanager
def needing_the_extra() -> Iterator[None]:
    """Say what to install where the simulated cloud's packages are missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise UserError(
            f"The simulated cloud needs the package {error.name}, which is not installed",
            code="demo_extra_missing",
            hint="Install it with `pip install 'stocktake[demo]'`.",
        ) from error


@contextmanager
def free_port(port: int) -> Iterator[None]:
    """Say what to do where the port is taken."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"Port {port} cannot be used: {error.strerror or error}",
            code="port_in_use",
            hint="Name another one with --port, or leave it out for a free one.",
        ) from error


@contextmanager
def profiles(accounts: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Let AWS profiles of these accounts exist for a while; the user's own configuration is not read or touched."""
    from stocktake.demo.protocol import access_key_of

    kept = {name: os.environ.get(name) for name in _AWS_FILES}
    with tempfile.TemporaryDirectory(prefix="stocktake-demo-") as folder:
        names = tuple(f"demo-{account}" for account in accounts)
        sections = (
            f"[{name}]\naws_access_key_id = {access_key_of(account)}\naws_secret_access_key = simulated\n"
            for name, account in zip(names, accounts, strict=True)
        )
        credentials, config = Path(folder, "credentials"), Path(folder, "config")
        credentials.write_text("\n".join(sections))
        config.write_text("")
        os.environ |= {"AWS_CONFIG_FILE": str(config), "AWS_SHARED_CREDENTIALS_FILE": str(credentials)}
        try:
            yield names
        finally:
            for name, value in kept.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
