"""One account's way to its provider: credentials, region, endpoint, connections, limits."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Self

import botocore.session
import orjson
from botocore.exceptions import ConfigParseError, NoRegionError, ProfileNotFound
from botocore.httpsession import get_cert_path

from stocktake.collect.credentials import CredentialSource
from stocktake.collect.endpoint_maker import EndpointMaker, shared_loader
from stocktake.collect.endpoints import Endpoints
from stocktake.collect.http import CONNECT_TIMEOUT_SECONDS, MAX_CONNECTIONS, READ_TIMEOUT_SECONDS, HttpClient
from stocktake.collect.limiter import Limiters
from stocktake.collect.limits import Limits, read_known_limits
from stocktake.collect.retrying import RetryBudget, RetryPolicy
from stocktake.collect.service_client import CallPurpose, ServiceClient
from stocktake.core.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from stocktake.collect.credentials import CredentialProvider


@dataclass(frozen=True, slots=True)
class CallerIdentity:
    """Who the credentials are."""

    account_id: str
    partition: str
    arn: str


@dataclass(frozen=True, slots=True)
class CollectSettings:
    """What a user may set about calling out."""

    max_connections: int = MAX_CONNECTIONS
    connect_timeout_seconds: float = CONNECT_TIMEOUT_SECONDS
    read_timeout_seconds: float = READ_TIMEOUT_SECONDS
    calls_per_second: float | None = None
    """A cap over all calls of an account."""
    limits: Limits = field(default_factory=read_known_limits)
    """What is known of the rates of single operations."""
    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)
    throttle_patience_seconds: float = 60.0

    def make_limiters(self) -> Limiters:
        """Make the limiters of an account."""
        return Limiters(
            calls_per_second=self.calls_per_second,
            patience_seconds=self.throttle_patience_seconds,
            limits=self.limits,
        )


_DEFAULTS = CollectSettings()


class Session:
    """One set of credentials, and what its calls share; one event loop's. Opened by `open_session`, to be closed."""

    def __init__(
        self,
        endpoints: Endpoints,
        credentials: CredentialProvider,
        *,
        region: str,
        profile: str = "",
        settings: CollectSettings = _DEFAULTS,
        borrowed: bool = False,
    ) -> None:
        self.region = region
        self.profile = profile
        self.endpoints = endpoints
        self.credentials = credentials
        self.http = endpoints.http
        self.clock = endpoints.clock
        self.account_id = ""
        """Known once `fetch_caller_identity` has answered."""
        self.caller = ""
        """The ARN of who calls, known likewise."""
        self.proven_regions: set[str] = set()
        """Where a call has passed with these credentials."""
        self.retry_policy = settings.retry_policy
        self.retry_budget = RetryBudget()
        self.limiters = endpoints.limiters("")
        self._settings = settings
        self._borrowed = borrowed
        self._clients: dict[tuple[str, str], ServiceClient] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Drop all connections, unless another session's are used."""
        if not self._borrowed:
            self.http.close()

    def beside(self, credentials: CredentialProvider, account_id: str, region: str | None = None) -> Session:
        """Return a session with other credentials that shares this one's connections and whatever was loaded."""
        other = Session(
            self.endpoints,
            credentials,
            region=region or self.region,
            profile=self.profile,
            settings=self._settings,
            borrowed=True,
        )
        other.is_of(account_id)
        return other

    def is_of(self, account_id: str) -> None:
        """Take note of the account; its calls are counted together, whichever session makes them."""
        self.account_id = account_id
        self.limiters = self.endpoints.limiters(account_id)

    @property
    def renewal_hint(self) -> str:
        """What to do about refused credentials."""
        login = f"aws sso login --profile {self.profile}" if self.profile else "aws sso login"
        return f"Renew them (for example with `{login}`), or give other ones, and run again: the catalog is as it was."

    def service_client(self, service: str, region: str | None = None) -> ServiceClient:
        """Return the client of a service, in this session's region unless another is named."""
        key = (service, region or self.region)
        client = self._clients.get(key)
        if client is None:
            client = self._clients[key] = ServiceClient(self, *key)
        return client

    def forget_service(self, service: str) -> None:
        """Drop what was loaded for a service, so that going through all of them does not keep them all."""
        for key in [key for key in self._clients if key[0] == service]:
            del self._clients[key]
        self.limiters.forget(service)
        self.endpoints.forget(service)

    def forget_place(self, service: str, region: str) -> None:
        """Drop what calling a service in one region took; what other accounts need for it stays."""
        self._clients.pop((service, region), None)
        self.limiters.forget(service, region)

    async def fetch_caller_identity(self) -> CallerIdentity:
        """Ask the provider whose credentials these are.

        Raises: CredentialsError, UnreachableError, ScopeError.
        """
        purpose = CallPurpose(iam_action="sts:GetCallerIdentity")
        answer = await self.service_client("sts").call("GetCallerIdentity", {}, purpose=purpose)
        said = orjson.loads(answer.body)
        arn: str = said["Arn"]
        self.is_of(said["Account"])
        self.caller = arn
        return CallerIdentity(account_id=self.account_id, partition=arn.split(":")[1], arn=arn)


def open_session(
    profile: str | None = None,
    region: str | None = None,
    endpoint_url: str | None = None,
    *,
    models: Path | None = None,
    settings: CollectSettings = _DEFAULTS,
    sharing: Session | None = None,
) -> Session:
    """Find credentials and region as botocore does, and return the session that collects with them.

    It shares the connections and endpoints of `sharing` where both are configured alike.

    Raises: CredentialsError where there are none; UserError for an unknown profile, or where no region is set.
    """
    botocore_session = _botocore_session(profile, models)
    try:
        botocore_session.get_scoped_config()  # the first to notice that a profile does not exist
        found = region or botocore_session.get_config_variable("region") or os.environ.get("AWS_REGION")
    except ProfileNotFound as error:
        raise _unknown_profile(error, botocore_session) from error
    except (ConfigParseError, NoRegionError) as error:
        raise UserError(str(error), code="bad_configuration", hint="Correct the AWS configuration file.") from error
    if not found:
        raise UserError(
            "No region is set.",
            code="no_region",
            hint="Give --region, or set AWS_REGION or AWS_DEFAULT_REGION, or a region in the profile.",
            where=profile or "",
        )

    def find() -> Any:  # noqa: ANN401 - botocore has no types
        return _botocore_session(profile, models).get_credentials()

    credentials = CredentialSource(find, profile=profile or "")
    configuration = (endpoint_url, models, settings, _of_endpoints(botocore_session))
    shares = sharing is not None and sharing.endpoints.configuration == configuration
    if sharing is not None and shares:
        endpoints = sharing.endpoints
    else:
        endpoints = Endpoints(
            EndpointMaker(botocore_session, endpoint_url, profile or ""),
            HttpClient(
                max_connections=settings.max_connections,
                connect_timeout_seconds=settings.connect_timeout_seconds,
                read_timeout_seconds=settings.read_timeout_seconds,
                ca_bundle=_ca_bundle(botocore_session),
            ),
            settings.make_limiters,
            configuration,
        )
    return Session(endpoints, credentials, region=found, profile=profile or "", settings=settings, borrowed=shares)


def _of_endpoints(session: Any) -> dict[str, object]:  # noqa: ANN401 - botocore has no types
    """Return what of a profile decides where and how calls go, whoever makes them."""
    return {name: value for name, value in session.get_scoped_config().items() if not _PERSONAL.fullmatch(name)}


_PERSONAL = re.compile(
    r"aws_.*|region|output|role_.*|source_profile|credential_.*|external_id|mfa_serial|duration_seconds|sso_.*|"
    r"web_identity_token_file|login_.*"
)


def _botocore_session(profile: str | None, models: Path | None) -> Any:  # noqa: ANN401 - botocore has no types
    session = botocore.session.Session(profile=profile)
    data_path = os.environ.get("AWS_DATA_PATH", "")
    session.register_component("data_loader", shared_loader(data_path, str(models or "")))
    return session


def _unknown_profile(error: ProfileNotFound, session: Any) -> UserError:  # noqa: ANN401 - botocore has no types
    names = botocore.session.Session().full_config.get("profiles", {})
    wanted = str(session.profile)
    near = get_close_matches(wanted, names, n=3) or sorted(names)[:5]
    hint = f"Did you mean {', '.join(near)}?" if near else "There are no profiles: run `aws configure`."
    return UserError(str(error), code="unknown_profile", hint=hint, where=wanted)


def _ca_bundle(session: Any) -> str | None:  # noqa: ANN401 - botocore has no types
    configured = session.get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE")
    bundle: str | None = get_cert_path(configured or True)
    return bundle
