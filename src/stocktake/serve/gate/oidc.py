"""Logging in with OpenID Connect: the code flow with PKCE, state and nonce; what the provider says of roles.

Source: OpenID Connect Core 1.0 (3.1), RFC 7636, RFC 9700.
"""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import OAuth2Client
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from stocktake.serve.gate.sessions import Person
from stocktake.serve.gate.visitor import RefusedError

if TYPE_CHECKING:
    from stocktake.serve.gate.config import OidcConfig, ServerConfig

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
"""Signed with a key that only the provider has: never `none`, never a secret that we share."""
_TIMEOUT_SECONDS = 10.0
_PENDING_SECONDS = 600.0
_MOST_PENDING = 1_000
_KNOWN_SECONDS = 3_600.0
_AGAIN_SECONDS = 60.0
_LEEWAY_SECONDS = 60
Claims = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pending:
    """A login that has begun: what its end has to fit."""

    state: str
    nonce: str
    verifier: str
    back: str
    """The address that the provider sends the browser back to."""
    then: str
    """The page that was asked for."""
    ends_at: float


class OidcLogin:
    """One provider. Safe to use from several threads."""

    def __init__(self, config: ServerConfig, oidc: OidcConfig) -> None:
        self._config = config
        self._oidc = oidc
        self._lock = threading.Lock()
        self._pending: dict[str, Pending] = {}
        self._metadata: tuple[float, dict[str, Any]] | None = None
        self._keys: tuple[float, KeySet] | None = None

    def begin(self, back: str, then: str) -> tuple[str, str]:
        """Return the provider's address to send the browser to, and a number that only this browser is to know.

        Raises: RefusedError where the provider cannot be reached.
        """
        number, verifier, nonce = (secrets.token_urlsafe(32) for _ in range(3))
        with self._client(back) as client:
            url, state = client.create_authorization_url(
                self._endpoint("authorization_endpoint"), nonce=nonce, code_verifier=verifier
            )
        now = time.time()
        with self._lock:
            self._pending = {key: one for key, one in self._pending.items() if one.ends_at > now}
            while len(self._pending) >= _MOST_PENDING:
                self._pending.pop(next(iter(self._pending)))
            self._pending[number] = Pending(state, nonce, verifier, back, then, now + _PENDING_SECONDS)
        return url, number

    def finish(self, number: str, query: dict[str, str]) -> tuple[Person, str]:
        """Return who has logged in, and the page that was asked for; a login is finished once.

        Raises: RefusedError.
        """
        with self._lock:
            pending = self._pending.pop(number, None)
        if pending is None or pending.ends_at < time.time():
            raise _refused("This login has not begun here, or took too long", "login_unknown")
        if not secrets.compare_digest(query.get("state", ""), pending.state):
            raise _refused("The login's state is not the one that it began with", "login_forged")
        if "error" in query:
            raise _refused(f"The provider refused the login: {query['error'][:200]}", "login_refused")
        claims = self.verify(self._id_token(pending, query.get("code", "")), pending.nonce)
        return self.person(claims), pending.then

    def verify(self, token: str, nonce: str) -> Claims:
        """Return the claims of an ID token. Raises: RefusedError where it is forged, over, or for somebody else."""
        try:
            decoded = self._decode(token)
            registry = jwt.JWTClaimsRegistry(
                leeway=_LEEWAY_SECONDS,
                iss={"essential": True, "value": self._oidc.issuer.rstrip("/")},
                aud={"essential": True, "value": self._oidc.client_id},
                exp={"essential": True},
                iat={"essential": True},
                sub={"essential": True},
            )
            claims: Claims = dict(decoded.claims)
            registry.validate(claims | {"iss": str(claims.get("iss", "")).rstrip("/")})
        except (JoseError, ValueError) as error:
            raise _refused(f"The provider's token is not good: {error}", "bad_id_token") from error
        if not secrets.compare_digest(str(claims.get("nonce", "")), nonce):
            raise _refused("The provider's token is for another login", "bad_id_token")
        audience = claims["aud"]
        if isinstance(audience, list) and len(audience) > 1 and claims.get("azp") != self._oidc.client_id:
            raise _refused("The provider's token was issued to another client", "bad_id_token")
        return claims

    def person(self, claims: Claims) -> Person:
        """Return who it is, with the first of our roles that they have. Raises: RefusedError where they have none."""
        name = str(claims.get(self._oidc.name_claim) or claims["sub"])
        if self._oidc.name_claim == "email" and claims.get("email_verified") is False:
            raise _refused("The provider has not verified this address", "bad_id_token")
        if name == "owner" or name.startswith("token "):
            # These are names that the server itself gives.
            raise _refused(f"Nobody may be called {name!r}", "bad_id_token")
        there = _roles_in(claims, self._oidc.roles_claim)
        role = next((one.name for one in self._config.roles if one.name in there), self._config.default_role)
        if not role:
            raise RefusedError(
                f"{name} has no role here",
                code="no_role",
                hint=f"Roles come from the claim {self._oidc.roles_claim!r}; the server's file says what each may see.",
                where=name,
            )
        return Person(name, role)

    def _id_token(self, pending: Pending, code: str) -> str:
        if not code:
            raise _refused("The provider sent no code", "login_refused")
        try:
            with self._client(pending.back) as client:
                answer = client.fetch_token(
                    self._endpoint("token_endpoint"),
                    code=code,
                    code_verifier=pending.verifier,
                    grant_type="authorization_code",
                )
        except (OAuthError, httpx.HTTPError, ValueError) as error:
            raise _refused(f"The provider gave no token: {error}", "login_refused") from error
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise _refused("The provider gave no ID token", "login_refused")
        return token

    def _decode(self, token: str) -> jwt.Token:
        try:
            return jwt.decode(token, self._key_set(), algorithms=ALGORITHMS)
        except (JoseError, ValueError):
            # The provider may have new keys since; ask once more, not for every forged token.
            if self._keys is None or time.monotonic() - self._keys[0] < _AGAIN_SECONDS:
                raise
            self._keys = None
            return jwt.decode(token, self._key_set(), algorithms=ALGORITHMS)

    def _key_set(self) -> KeySet:
        known = self._keys
        if known is not None and time.monotonic() - known[0] < _KNOWN_SECONDS:
            return known[1]
        keys = KeySet.import_key_set(self._fetched(self._endpoint("jwks_uri")))  # type: ignore[arg-type]  # as JSON
        self._keys = (time.monotonic(), keys)
        return keys

    def _endpoint(self, name: str) -> str:
        known = self._metadata
        if known is None or time.monotonic() - known[0] >= _KNOWN_SECONDS:
            found = self._fetched(f"{self._oidc.issuer.rstrip('/')}/.well-known/openid-configuration")
            if str(found.get("issuer", "")).rstrip("/") != self._oidc.issuer.rstrip("/"):
                raise _refused(
                    f"The provider calls itself {found.get('issuer')!r}, not {self._oidc.issuer!r}", "oidc_unreachable"
                )
            known = self._metadata = (time.monotonic(), found)
        endpoint = known[1].get(name)
        if not isinstance(endpoint, str):
            raise _refused(f"The provider says no {name}", "oidc_unreachable")
        return endpoint

    def _fetched(self, url: str) -> dict[str, Any]:
        try:
            answer = httpx.get(url, timeout=_TIMEOUT_SECONDS)
            answer.raise_for_status()
            found: dict[str, Any] = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise RefusedError(
                f"The provider {self._oidc.issuer} cannot be reached: {error}",
                code="oidc_unreachable",
                hint="Try again; else look at [oidc] in the server's file.",
                where=url,
                status=502,
            ) from error
        return found

    def _client(self, back: str) -> OAuth2Client:
        return OAuth2Client(
            self._oidc.client_id,
            self._oidc.secret() or None,
            scope=self._oidc.scopes,
            redirect_uri=back,
            code_challenge_method="S256",
            timeout=_TIMEOUT_SECONDS,
            token_endpoint_auth_method="client_secret_basic" if self._oidc.secret() else "none",
        )


def _roles_in(claims: Claims, path: str) -> set[str]:
    """Return the roles that a claim names: a list, or one text; in a claim of a claim where the path has dots."""
    value: Any = claims.get(path)
    if value is None:
        value = claims
        for step in path.split("."):
            value = value.get(step) if isinstance(value, dict) else None
    if isinstance(value, str):
        return {value}
    return {str(one) for one in value} if isinstance(value, list) else set()


def _refused(message: str, code: str) -> RefusedError:
    return RefusedError(message, code=code, hint="Begin again at /login.", status=401)
