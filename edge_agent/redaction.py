"""What a text may say of an address: everything but its secrets."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

# Up to the last @ before a space: passwords hold slashes and more than they may, and hiding too much does no harm.
_USER_INFO = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)[^\s'\"<>]*@")
_NAMES = (
    "(?:password|passwd|pwd|pass|token|access_token|api_?key|key|secret|sig|signature|auth|user|usr|username|login)"
)
_SECRET = re.compile(rf"(?P<name>[?&/_;]{_NAMES}=)[^&\s#'\"/;]+?(?=[&\s#'\"/;]|_[a-z]+=|$)", re.IGNORECASE)


def redacted(text: str) -> str:
    """The text with the credentials of every address in it made unreadable: user, password, tokens.

    Some cameras take them in the path (``/user=admin_password=…_channel=1``): there too.
    """
    return _SECRET.sub(r"\g<name>***", _USER_INFO.sub(r"\g<scheme>***@", text))


def shown_address(url: str) -> str:
    """An address fit for a message: without user name, password and query."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return url.partition("://")[0] + "://..."
    if not parts.scheme:
        return redacted(url)
    host = f"[{host}]" if ":" in host else host
    return redacted(f"{parts.scheme}://{host}{port}{parts.path}")
