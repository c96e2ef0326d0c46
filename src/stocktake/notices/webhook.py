"""A message by HTTP, signed as Standard Webhooks say, to where it may go and nowhere else.

Source: the Standard Webhooks specification 1.0 (headers `webhook-id`, `webhook-timestamp`, `webhook-signature`).
"""

from __future__ import annotations

import base64
import binascii
import hmac
import http.client
import ipaddress
import socket
import ssl
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import stocktake
from stocktake.core.errors import RetryableError, UserError

if TYPE_CHECKING:
    from urllib.parse import SplitResult

    from stocktake.notices.config import Channel

_PREFIX = "whsec_"
_WORTH_ANOTHER_TRY = frozenset({408, 425, 429})
_SERVER_ERRORS = 500
_OK = range(200, 300)


class NotTakenError(RetryableError):
    """A channel did not take a message this time."""

    def __init__(self, message: str, *, is_final: bool) -> None:
        super().__init__(message, code="not_taken", hint="It waits, and the next `stocktake notify` sends it again.")
        self.is_final = is_final
        """Asking again right away would not help."""


def sign(secret: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the signature of a message; a secret with the prefix `whsec_` is base64, any other as it is."""
    content = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.digest(_key(secret), content, "sha256")
    return "v1," + base64.b64encode(digest).decode()


def send_webhook(channel: Channel, message_id: str, body: bytes) -> None:
    """Send a message once. Raises: NotTakenError; UserError for an address that messages may not go to."""
    parts = urlsplit(channel.url)
    address, port = _allowed_address(channel, parts)
    timestamp = int(time.time())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"stocktake/{stocktake.__version__}",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(channel.secret, message_id, timestamp, body),
    }
    connection = _Connection(parts, address, port, channel.timeout_seconds)
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", path, body, headers)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise NotTakenError(f"{parts.hostname} did not answer: {error}", is_final=False) from error
    finally:
        connection.close()
    # A redirect is not followed: it may lead where messages may not go.
    if status not in _OK:
        again = status >= _SERVER_ERRORS or status in _WORTH_ANOTHER_TRY
        raise NotTakenError(f"{parts.hostname} answered {status}", is_final=not again)


class _Connection(http.client.HTTPConnection):
    """A connection to the very address that was looked at: a name may lead elsewhere the next time."""

    def __init__(self, parts: SplitResult, address: str, port: int, timeout_seconds: float) -> None:
        super().__init__(parts.hostname or "", port, timeout=timeout_seconds)
        self._address = address
        self._is_secure = parts.scheme == "https"
        if self._is_secure:
            self.default_port = http.client.HTTPS_PORT

    def connect(self) -> None:
        """Connect, and see to it that it is the one named."""
        self.sock = socket.create_connection((self._address, self.port), self.timeout)
        if self._is_secure:
            self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self.host)


def _key(secret: bytes) -> bytes:
    text = secret.decode()
    if not text.startswith(_PREFIX):
        return secret
    try:
        return base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except binascii.Error as error:
        raise UserError(
            f"A webhook's secret begins with {_PREFIX} and is no base64.",
            code="bad_notices",
            hint="Copy it again; a secret without that beginning is taken as it is.",
        ) from error


def _allowed_address(channel: Channel, parts: SplitResult) -> tuple[str, int]:
    """Return where a channel's host is, if messages may go there."""
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        port = 0
    if parts.scheme not in {"http", "https"} or not parts.hostname or not port or parts.username is not None:
        raise _refused(channel, "its URL is none of http or https, or holds a user")
    try:
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise NotTakenError(f"{parts.hostname} is not found: {error}", is_final=False) from error
    addresses = [str(one[4][0]) for one in found]
    for address in addresses:
        # All of them: whoever answers for the name could else choose.
        _check_address(channel, parts.scheme, ipaddress.ip_address(address.split("%")[0]))
    return addresses[0], port


def _check_address(channel: Channel, scheme: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    mapped = getattr(address, "ipv4_mapped", None)
    address = mapped or address
    if address.is_loopback:
        return
    if scheme == "http" and not channel.allow_http:
        raise _refused(channel, "it is not encrypted, and not on this machine (allow_http)")
    if not address.is_global and not channel.allow_private:
        raise _refused(channel, f"{address} is no public address (allow_private)")


def _refused(channel: Channel, why: str) -> UserError:
    return UserError(
        f"The channel {channel.name} may not be used: {why}.",
        code="channel_refused",
        hint="docs/notifications.md says where messages may go, and how to allow more.",
        where=channel.name,
    )
