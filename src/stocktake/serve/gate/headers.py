"""What every answer tells the browser to keep to."""

from __future__ import annotations

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    # With `no-referrer` a form of our own would not name its page either.
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)
_NOT_KEPT = (b"cache-control", b"no-store")


def with_headers(headers: list[tuple[bytes, bytes]], *, is_https: bool) -> list[tuple[bytes, bytes]]:
    """Return an answer's headers with ours; what it says of keeping stays."""
    there = {name.lower() for name, _ in headers}
    added = [one for one in (*HEADERS, _NOT_KEPT) if one[0] not in there]
    if is_https:
        added.append((b"strict-transport-security", b"max-age=31536000"))
    return [*headers, *added]
