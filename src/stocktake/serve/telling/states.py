"""What a provider's word for a state means to who looks at a list: all is well, or something is to be looked at."""

from __future__ import annotations

import re
from functools import lru_cache

# The first that a word fits decides; providers write InService, IN_SERVICE and in-service.
_OK = (
    "active|available|running|in-?use|inservice|completed?|enabled|ok|ready|created|issued|success(ful)?|succeeded|"
    "attached|online|healthy|associated|valid|deployed|open|on|up|optimal|confirmed|registered|.*complete"
)
_KINDS = (
    ("bad", ".*(fail|error|unhealthy|impaired|corrupt|compromised|expired|revoked|unavailable|denied|inaccessible).*"),
    ("ok", _OK),
    ("mute", "(stopped|terminated|deleted|disabled|inactive|retired|archived|suspended|paused|closed|detached).*"),
    ("info", ".*(ing|progress|queued|scheduled|submitted|wait)"),
)


@lru_cache(maxsize=2_000)
def state_kind(state: str) -> str:
    """Return ok, info, bad or mute."""
    plain = state.replace("_", "").replace(" ", "").lower()
    return next((kind for kind, pattern in _KINDS if re.fullmatch(pattern, plain)), "mute")
