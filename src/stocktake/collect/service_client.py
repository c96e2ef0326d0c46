"""Calls the operations of one service in one region: built, signed, sent, retried, and its errors translated."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from stocktake.collect.answers import Answer, BrokenAnswerError, CallCounts
from stocktake.collect.bodies import MalformedBodyError, ProviderError
from stocktake.collect.http import HttpRequest, TransferError
from stocktake.collect.limiter import GivenUpError
from stocktake.collect.signer import Keys, Signer
from stocktake.collect.translation import Meaning, meaning, parse_denial
from stocktake.core.errors import CredentialsError, DataError, GoneError, ScopeError, StocktakeError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stocktake.collect.http import HttpResponse
    from stocktake.collect.limiter import Limiter
    from stocktake.collect.requests import UnsignedRequest
    from stocktake.collect.session import Session
    from stocktake.collect.signer import SigningStyle


@dataclass(frozen=True, slots=True)
class CallPurpose:
    """What a call is for: decides what its errors mean."""

    iam_action: str = ""
    """The permission that the plan expects it to need."""
    single_resource: bool = False
    """Whether it asks for one resource: not found then means gone, and a broken answer concerns that one alone."""
    absent_codes: frozenset[str] = frozenset()
    """More errors that mean: there is no such thing."""


_ANY = CallPurpose()
_THROTTLED = ProviderError(429, "Throttled", "nothing but throttled answers came for a long time")
_THROTTLED_HINT = "Something else may use the account's limit up: sync later, or with fewer calls a second."


class ServiceClient:
    """One service in one region, with one session's credentials."""

    def __init__(self, session: Session, service: str, region: str) -> None:
        self.service = service
        self.region = region
        self.session = session
        endpoint = session.endpoints.endpoint(service, region)
        self._model = endpoint.model
        self._requests = endpoint.requests
        self.bodies = endpoint.bodies
        self.health = endpoint.health
        self._signers: dict[SigningStyle, Signer] = {}
        self._limiters: dict[str, Limiter] = {}

    def input_shape(self, operation: str) -> Any:  # noqa: ANN401 - botocore has no types
        """Return botocore's shape of an operation's parameters; None where it has none."""
        return self._model.operation_model(operation).input_shape

    def output_shape(self, operation: str) -> Any:  # noqa: ANN401 - botocore has no types
        """Return botocore's shape of an operation's answer; None where it has none."""
        return self._model.operation_model(operation).output_shape

    async def call(
        self,
        operation: str,
        params: Mapping[str, Any],
        *,
        purpose: CallPurpose = _ANY,
        counts: CallCounts | None = None,
        follow: bool = True,
    ) -> Answer:
        """Call an operation until it answers, or until trying on makes no sense.

        Where the answer says that the resource lives in another region, the call is made there, unless `follow` is off.

        Raises: ScopeError (denied, throttled, unsupported, failed), CredentialsError, UnreachableError; for a single
        resource also GoneError, DataError, BrokenAnswerError.
        """
        call = _Call(self, operation, purpose, counts if counts is not None else CallCounts())
        try:
            return await call.run(self._requests.build(operation, params))
        except _ElsewhereError as elsewhere:
            if not follow:
                raise ScopeError(
                    f"{operation} is sent from one region to the next.", code="redirected", status="failed"
                ) from elsewhere
            there = self.session.service_client(self.service, elsewhere.region)
            return await there.call(operation, params, purpose=purpose, counts=call.counts, follow=False)
        except GoneError:
            raise
        except StocktakeError:
            call.counts.errors += 1
            raise

    def limiter(self, operation: str) -> Limiter:
        """Return the limiter of an operation in this region."""
        limiter = self._limiters.get(operation)
        if limiter is None:
            limiter = self.session.limiters.limiter(self.region, self.service, operation)
            self._limiters[operation] = limiter
        return limiter

    def signed(self, request: UnsignedRequest, keys: Keys | None) -> HttpRequest:
        """Sign a request, at the time it is sent."""
        headers = request.headers
        if request.style is not None and keys is not None:
            signer = self._signers.get(request.style)
            if signer is None:
                signer = self._signers[request.style] = Signer(request.style)
            stamp = self.session.clock.stamp()
            if request.alike:
                common, own = signer.sign_alike(keys, request.method, request.url, headers, request.body, stamp)
                return HttpRequest(request.method, request.url, common, request.body, own)
            headers = signer.sign(keys, request.method, request.url, headers, request.body, stamp)
        return HttpRequest(request.method, request.url, headers, request.body)


class _Call:
    """One call with its repetitions."""

    __slots__ = (
        "_client",
        "_limiter",
        "_operation",
        "_purpose",
        "_renewed",
        "_retries",
        "_session",
        "_signed_at",
        "_skewed",
        "counts",
    )

    def __init__(self, client: ServiceClient, operation: str, purpose: CallPurpose, counts: CallCounts) -> None:
        self._client = client
        self._session = client.session
        self._limiter = client.limiter(operation)
        self._operation = operation
        self._purpose = purpose
        self.counts = counts
        self._retries = 0
        self._renewed = self._skewed = False
        self._signed_at = 0.0
        """By how much our clock was corrected then."""

    async def run(self, request: UnsignedRequest) -> Answer:
        session, operation = self._session, self._operation
        while True:
            keys = session.credentials.at_hand()
            if keys is None and request.style is not None:
                keys = await session.credentials.keys()
            try:
                sent_at = await self._limiter.acquire()
            except GivenUpError:
                self._raise_scope(_THROTTLED, "throttled", "throttled", _THROTTLED_HINT)
            response = await self._send(request, keys)
            if isinstance(response, StocktakeError):
                await self._retry_transfer(response)
                continue
            if response.status < 300:
                self._limiter.succeeded()
                session.retry_budget.refund()
                session.proven_regions.add(self._client.region)
                try:
                    body = self._client.bodies.json_bytes(operation, response)
                except MalformedBodyError as malformed:
                    await self._retry_malformed(str(malformed), response.body)
                    continue
                return Answer(body, session.clock.parse_date(response.date))
            elsewhere = response.headers.get("x-amz-bucket-region", self._client.region)
            if elsewhere != self._client.region and response.status in {301, 307, 400}:
                raise _ElsewhereError(elsewhere)
            await self._treat(response, sent_at, keys)

    async def _send(
        self, request: UnsignedRequest, keys: Keys | None
    ) -> HttpResponse | TransferError | UnreachableError:
        health = self._client.health
        try:
            await health.enter()
            self.counts.calls[self._operation] = self.counts.calls.get(self._operation, 0) + 1
            self._signed_at = self._session.clock.offset_seconds
            try:
                response = await self._session.http.send(self._client.signed(request, keys))
            except (TransferError, UnreachableError) as error:
                health.failed(error)
                return error
            finally:
                health.leave()
        finally:
            self._limiter.release()
        health.answered()
        return response

    # -- transfer --------------------------------------------------------------------------------------------------

    async def _retry_transfer(self, error: TransferError | UnreachableError) -> None:
        if error.code in {"bad_url", "tls_untrusted", "tls_ca_bundle"}:
            raise error
        # A server that hangs is asked only once more: each time costs the whole timeout.
        hopeless = self._client.health.gives_up or (error.code == "timeout" and self._retries)
        if not hopeless and await self._may_retry():
            return
        if isinstance(error, TransferError) and error.code == "truncated" and self._purpose.single_resource:
            self._raise_broken(error.message, error.partial_body)
        if isinstance(error, UnreachableError) and not self._session.proven_regions:
            raise error
        if isinstance(error, UnreachableError) and error.code == "dns":
            raise ScopeError(
                f"{self._client.service} has no endpoint in {self._client.region}: {error.message}",
                code="no_endpoint",
                status="unsupported",
                hint="The service does not exist in this region; leave the region out for it.",
                where=self._where,
            ) from error
        raise ScopeError(
            f"{self._operation} failed {self._retries + 1} times: {error.message}",
            code=error.code,
            status="failed",
            hint="The next sync tries again.",
            where=self._where,
        ) from error

    async def _retry_malformed(self, problem: str, body: bytes) -> None:
        if await self._may_retry():
            return
        message = f"{self._operation} answered {self._retries + 1} times with a body that cannot be read: {problem}"
        if self._purpose.single_resource:
            self._raise_broken(message, body)
        raise ScopeError(
            message, code="malformed_answer", status="failed", hint="The next sync tries again.", where=self._where
        )

    def _raise_broken(self, message: str, body: bytes) -> NoReturn:
        raise BrokenAnswerError(
            message,
            code="broken_answer",
            hint="The answer is kept aside, and the resource's last known state stays.",
            where=self._where,
            body=body,
        )

    async def _may_retry(self) -> bool:
        """Wait before the next attempt, unless there is none."""
        policy = self._session.retry_policy
        if self._retries + 1 >= policy.attempts or not self._session.retry_budget.take():
            return False
        await asyncio.sleep(policy.wait_seconds(self._retries))
        self._retries += 1
        self.counts.retries += 1
        return True

    # -- the provider's errors -------------------------------------------------------------------------------------

    async def _treat(self, response: HttpResponse, sent_at: float, keys: Keys | None) -> None:
        """Return where the call is to be repeated, raise where not."""
        error = self._client.bodies.error(self._operation, response)
        sense = meaning(error)
        if sense is Meaning.THROTTLED:
            self._limiter.throttled(sent_at)
            self.counts.throttles += 1
            if self._limiter.hopeless:
                self._raise_scope(error, "throttled", "throttled", _THROTTLED_HINT)
            return
        self._limiter.succeeded()
        if sense is Meaning.TRANSIENT and await self._may_retry():
            return
        if sense is Meaning.CLOCK_SKEW and not self._skewed:
            self._skewed = True
            # Of many calls under way, the first answer corrects the clock for all.
            if self._session.clock.correct(response.date) or self._session.clock.offset_seconds != self._signed_at:
                self.counts.retries += 1
                return
        if sense is Meaning.CREDENTIALS and not self._renewed and keys is not None:
            self._renewed = True
            if await self._session.credentials.renew(keys):
                self.counts.retries += 1
                return
        self._raise(error, sense)

    def _raise(self, error: ProviderError, sense: Meaning) -> NoReturn:
        said = _said(error)
        if error.code in self._purpose.absent_codes:
            raise GoneError(f"There is no such thing: {said}", code=error.code, where=self._where)
        match sense:
            case Meaning.DENIED:
                denial = parse_denial(error.message, self._purpose.iam_action)
                raise ScopeError(
                    f"{self._operation} is denied: {said}",
                    code="denied",
                    status="denied",
                    hint=denial.hint,
                    where=self._where,
                    missing_permission=denial.action,
                )
            case Meaning.CLOCK_SKEW:
                self._raise_credentials(
                    f"The provider finds the request's time wrong: {said}", "clock_skew", "Set this machine's clock."
                )
            case Meaning.CREDENTIALS:
                self._raise_refused(error, said)
            case Meaning.GONE if self._purpose.single_resource:
                raise GoneError(f"The resource does not exist any more: {said}", code=error.code, where=self._where)
            case Meaning.UNSUPPORTED:
                hint = "The service is not offered, or not enabled for the account, in this region."
                self._raise_scope(error, "unsupported", "unsupported", hint)
            case Meaning.REJECTED if self._purpose.single_resource:
                raise DataError(
                    f"{self._operation} was refused for this one resource: {said}",
                    code="request_rejected",
                    hint="Its last known state stays; the other resources are not concerned.",
                    where=self._where,
                )
            case Meaning.TRANSIENT:
                self._raise_scope(error, "provider_failed", "failed", "The next sync tries again.")
            case _:
                self._raise_scope(error, "request_rejected", "failed", "The type's call plan may not fit this account.")

    def _raise_refused(self, error: ProviderError, said: str) -> NoReturn:
        region = self._client.region
        proven = self._session.proven_regions
        if proven and region not in proven and not error.code.startswith(("Expired", "TokenRefresh")):
            # The same keys work elsewhere: so it is an opt-in region that the account has not opened.
            hint = f"Enable {region} for the account, or leave it out."
            self._raise_scope(error, "region_not_enabled", "unsupported", hint)
        expired = "xpired" in error.code or "expired" in error.message.lower()
        code = "expired_credentials" if expired else "refused_credentials"
        self._raise_credentials(f"The provider refuses the credentials: {said}", code, self._session.renewal_hint)

    def _raise_credentials(self, message: str, code: str, hint: str) -> NoReturn:
        raise CredentialsError(message, code=code, hint=hint, where=self._where)

    def _raise_scope(self, error: ProviderError, code: str, status: str, hint: str) -> NoReturn:
        tries = f" ({self._retries + 1} times)" if self._retries else ""
        raise ScopeError(
            f"{self._operation} failed{tries}: {_said(error)}", code=code, status=status, hint=hint, where=self._where
        )

    @property
    def _where(self) -> str:
        return f"{self._session.account_id or '-'}/{self._client.region}/{self._client.service}:{self._operation}"


class _ElsewhereError(Exception):
    """The resource lives in another region, which the answer names."""

    def __init__(self, region: str) -> None:
        super().__init__(region)
        self.region = region


def _said(error: ProviderError) -> str:
    return f"{error.code}: {error.message}" if error.message else f"{error.code} (status {error.status})"
