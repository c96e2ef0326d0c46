"""The services beside SageMaker, by moto in this process, and the things in them that the estate's jobs refer to.

moto is imported only here, when it is first needed: it is an optional extra, and takes a second to load.
Its backends are shared by the whole process.
"""

from __future__ import annotations

import importlib
import io
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from stocktake.core.errors import UserError
from stocktake.demo.archetypes import archetypes
from stocktake.demo.landscape import Landscape, landscape, role_name, teams
from stocktake.demo.registries import seed_registries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from stocktake.demo.estate import Estate

Answer = tuple[int, list[tuple[bytes, bytes]], bytes]
_TRUST = (
    '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", '
    '"Principal": {"Service": "sagemaker.amazonaws.com"}}]}'
)


class Neighbors:
    """moto's server as a function from a request to an answer; not safe for several threads at once."""

    def __init__(self, estate: Estate | None) -> None:
        self._estate = estate
        self._application: Any = None

    def answer(
        self, account: str, method: str, path: str, query: bytes, headers: Iterable[tuple[bytes, bytes]], body: bytes
    ) -> Answer:
        """Return what moto answers in an account."""
        if self._application is None:
            self.prepare()
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method, "PATH_INFO": unquote(path), "RAW_URI": path, "QUERY_STRING": query.decode(),
            "SCRIPT_NAME": "", "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.version": (1, 0), "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(body),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": False, "wsgi.multiprocess": False, "wsgi.run_once": False,
            "CONTENT_LENGTH": str(len(body)), "HTTP_X_MOTO_ACCOUNT_ID": account,
        }  # fmt: skip
        for name, value in headers:
            key = name.decode("latin-1").upper().replace("-", "_")
            if key == "CONTENT_TYPE":
                environ[key] = value.decode("latin-1")
            elif key not in {"CONTENT_LENGTH", "TRANSFER_ENCODING"}:
                environ[f"HTTP_{key}"] = value.decode("latin-1")
        return self._run(environ)

    def _run(self, environ: dict[str, Any]) -> Answer:
        started: list[tuple[int, list[tuple[bytes, bytes]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], _exc: object = None) -> Callable[[bytes], None]:
            kept = [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in headers if k.lower() not in _OURS]
            started.append((int(status.split(" ", 1)[0]), kept))
            return lambda _data: None

        body = b"".join(self._application(environ, start_response))
        status, headers = started[-1]
        return status, headers, body

    def prepare(self) -> None:
        """Load moto and make what the estate refers to.

        Raises:
            UserError: moto is not installed.
        """
        try:
            server = importlib.import_module("moto.server")
        except ModuleNotFoundError as error:
            raise UserError(
                f"the services beside SageMaker need moto's server ({error.name} is missing)",
                code="demo_extra_missing",
                hint="install stocktake[demo]",
            ) from error
        if self._estate is not None:
            for account in self._estate.accounts:
                _seed_account(account)
                for region in self._estate.regions:
                    _seed_region(landscape(self._estate.seed, account, region))
            seed_registries(self._estate, _backend)
        self._application = server.DomainDispatcherApplication(server.create_backend_app)


_OURS = {"content-length", "date", "server", "connection", "transfer-encoding"}


def _backend(service: str, account: str, region: str) -> Any:  # noqa: ANN401  # moto's backends share no type
    return importlib.import_module("moto.backends").get_backend(service)[account][region]


@contextmanager
def _next_id(module: str, function: str, wanted: str) -> Iterator[None]:
    """Let moto give the id that the estate's jobs already refer to: it draws ids itself and has no way to be told."""
    place = importlib.import_module(module)
    drawn = getattr(place, function)
    setattr(place, function, lambda *_args, **_kwargs: wanted)
    try:
        yield
    finally:
        setattr(place, function, drawn)


def _seed_account(account: str) -> None:
    iam = _backend("iam", account, "aws")
    known = {role.name for role in iam.get_roles()}
    for team in teams():
        if role_name(team) not in known:
            tags = [{"Key": "team", "Value": team}]
            iam.create_role(role_name(team), _TRUST, "/ml/", None, f"Runs the training jobs of {team}", tags, "3600")


def _seed_region(place: Landscape) -> None:
    ec2 = _backend("ec2", place.account, place.region)
    if place.vpc not in ec2.vpcs:
        _seed_network(ec2, place)
    kms = _backend("kms", place.account, place.region)
    for key, alias in ((place.output_key, place.output_alias), (place.volume_key, "alias/ml-volumes")):
        if key not in kms.keys:
            with _next_id("moto.kms.models", "generate_key_id", key):
                kms.create_key(None, "ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT", "Key of the demo estate", None)
            kms.create_alias(key, alias)
    s3 = _backend("s3", place.account, "aws")
    for name in place.buckets():
        if name not in s3.buckets:
            s3.create_bucket(name, place.region)
    ecr = _backend("ecr", place.account, place.region)
    for kind in archetypes():
        origin, _, name = kind.image.partition(":")
        if origin == "own" and name not in ecr.repositories:
            ecr.create_repository(name, place.account, None, None, "MUTABLE", [])


def _seed_network(ec2: Any, place: Landscape) -> None:  # noqa: ANN401  # moto's backends share no type
    with _next_id("moto.ec2.models.vpcs", "random_vpc_id", place.vpc):
        ec2.create_vpc("10.40.0.0/16")
    for number, (subnet, zone) in enumerate(zip(place.subnets, "abc", strict=True)):
        with _next_id("moto.ec2.models.subnets", "random_subnet_id", subnet):
            ec2.create_subnet(place.vpc, f"10.40.{number * 16}.0/20", availability_zone=f"{place.region}{zone}")
    for number, group in enumerate(place.security_groups):
        with _next_id("moto.ec2.models.security_groups", "random_security_group_id", group):
            ec2.create_security_group(f"training-{number}", "Training jobs of the demo estate", vpc_id=place.vpc)
