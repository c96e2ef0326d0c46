"""The simulated cloud as a server on loopback: in a thread for tests, in the foreground for the demo."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Any

import uvicorn

from stocktake.demo.app import Application
from stocktake.demo.clock import DEFAULT_START, VirtualClock, from_ms
from stocktake.demo.protocol import access_key_of
from stocktake.demo.state import CloudState
from stocktake.demo.switches import Switches
from stocktake.demo.truth import truth

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from stocktake.demo.estate import Estate

_HOST = "127.0.0.1"


class SimulatedCloud:
    """A cloud of one's own.

    `with SimulatedCloud(Estate(jobs=1000)) as cloud:` serves it on a free port until the block ends.
    Without an estate it is empty.
    """

    def __init__(
        self,
        estate: Estate | None = None,
        *,
        clock: VirtualClock | None = None,
        switches: Switches | None = None,
        seed: int = 7,
        port: int = 0,
    ) -> None:
        start = from_ms(estate.start) if estate is not None else DEFAULT_START
        self._state = CloudState(estate, clock or VirtualClock(start), switches or Switches(), seed)
        self._begun = (start, self._state.clock.factor)
        self._application = Application(self._state)
        self._port = port
        self._socket: socket.socket | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def clock(self) -> VirtualClock:
        """The virtual clock, to be advanced, paused and sped up."""
        return self._state.clock

    @property
    def switches(self) -> Switches:
        """The switches in force."""
        return self._state.switches

    @switches.setter
    def switches(self, switches: Switches) -> None:
        self._state.switches = switches

    def switch(self, **changes: object) -> None:
        """Change some switches: `cloud.switch(error_rate=0.1)`."""
        self._state.switches = self._state.switches.changed(changes)

    def truth(self) -> list[dict[str, Any]]:
        """Return what really happened to every job so far: see `demo.truth`."""
        return list(truth(self._state, self.clock.now_ms()))

    @property
    def accounts(self) -> tuple[str, ...]:
        """The accounts of the estate."""
        return self._state.accounts

    @property
    def endpoint_url(self) -> str:
        """Where clients reach the cloud."""
        if self._socket is None:
            raise RuntimeError("the simulated cloud is not running")
        return f"http://{_HOST}:{self._socket.getsockname()[1]}"

    def stats(self) -> dict[tuple[str, str], int]:
        """Return the number of calls answered per (service, operation)."""
        return self._application.stats.calls()

    def errors(self) -> dict[tuple[str, str], int]:
        """Return the number of calls answered by an error per (service, operation)."""
        return self._application.stats.errors()

    def reset_stats(self) -> None:
        """Start counting anew."""
        self._application.stats.reset()

    def credentials(self, account: str | None = None) -> dict[str, str]:
        """Return the arguments that make a boto3 client a caller in an account."""
        return {
            "aws_access_key_id": access_key_of(account or self._state.default_account),
            "aws_secret_access_key": "simulated",
        }

    def environment(self, account: str | None = None, region: str = "us-east-1") -> dict[str, str]:
        """Return the environment that makes any AWS client a caller in an account here."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": access_key_of(account or self._state.default_account),
            "AWS_SECRET_ACCESS_KEY": "simulated",
            "AWS_DEFAULT_REGION": region,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def reset(self) -> None:
        """Begin anew: the estate as it was, the clock at its start, all switches off, nothing counted."""
        old = self._state
        self._state = CloudState(old.estate, VirtualClock(*self._begun), Switches(), old.seed)
        self._application.restart(self._state)

    def start(self) -> SimulatedCloud:
        """Serve in a daemon thread; return once calls are answered."""
        server = self._listen()
        self._thread = threading.Thread(target=server.run, kwargs={"sockets": [self._socket]}, daemon=True)
        self._thread.start()
        while not server.started:
            self._thread.join(0.005)
            if not self._thread.is_alive():
                raise RuntimeError("the simulated cloud did not start")
        return self

    def stop(self) -> None:
        """End the server and its thread."""
        if self._server is not None:
            self._server.should_exit = True
            self._server.force_exit = True
        if self._thread is not None:
            self._thread.join(10)
        self._application.close()
        if self._socket is not None:
            self._socket.close()
        self._server = self._thread = self._socket = None

    def serve(self, ready: Callable[[], None] = lambda: None) -> None:
        """Serve in the foreground until interrupted; `ready` is called before the first call is answered."""
        server = self._listen()
        ready()
        assert self._socket is not None  # noqa: S101  # _listen made it
        try:
            server.run(sockets=[self._socket])
        finally:
            self._application.close()
            self._socket.close()

    def __enter__(self) -> SimulatedCloud:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _listen(self) -> uvicorn.Server:
        # with the protocol named, asyncio turns Nagle's algorithm off; without, each answer waits 40 ms for an ACK
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((_HOST, self._port))
        self._socket.listen(1024)
        config = uvicorn.Config(
            self._application, http="httptools", loop="asyncio", ws="none", lifespan="off", access_log=False,
            log_level="critical", date_header=False, server_header=False, timeout_keep_alive=60,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        return self._server


def serve(
    estate: Estate | None = None,
    *,
    port: int = 0,
    speed: float = 1.0,
    switches: Switches | None = None,
    seed: int = 7,
    ready: Callable[[SimulatedCloud], None] = lambda _: None,
) -> None:
    """Serve a simulated cloud in the foreground until interrupted."""
    start = from_ms(estate.start) if estate is not None else DEFAULT_START
    cloud = SimulatedCloud(estate, clock=VirtualClock(start, speed), switches=switches, seed=seed, port=port)
    cloud.serve(lambda: ready(cloud))
