"""The administrator's token: where `kbs-client` looks for it, and how `trustee` makes it.

Looked for in this order: the flag; `kbs/config/docker-compose/admin-token` below the working directory;
`$TRUSTEE_HOME/admin-token`; `~/.trustee/admin-token`. A token is a JWT signed with Ed25519 (EdDSA) that names its
issuer, audience and role, and ends a day after it was made.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attestack_common.errors import ConfigError
from attestack_common.files import read_bounded
from attestation_protocol.encoding import b64url_encode, compact_json

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

COMPOSE_PATH: Final = Path("kbs/config/docker-compose/admin-token")
FILE_NAME: Final = "admin-token"
ISSUER: Final = "attestack-trustee"
AUDIENCE: Final = "attestack-kbs"
ROLE: Final = "admin"
LIFETIME: Final = 24 * 3600
"""Seconds."""
MAX_TOKEN: Final = 64 * 1024


def user_token_path() -> Path | None:
    """Return where a user's token lies; None for a user without a home."""
    try:
        return Path.home() / ".trustee" / FILE_NAME
    except RuntimeError:
        return None


def find_admin_token(flag: Path | None) -> str | None:
    """Read the token, or return None, saying so, when there is none. Raises ConfigError for one that cannot be read."""
    if flag is not None:
        return _read(flag)
    home = os.environ.get("TRUSTEE_HOME")
    for place in (COMPOSE_PATH, Path(home) / FILE_NAME if home else None, user_token_path()):
        if place is not None and _is_there(place):
            return _read(place)
    print(
        "No administrator's token was found: the request goes out anonymously, which only a broker with "
        "authorization_mode InsecureAllowAll accepts.",
        file=sys.stderr,
    )
    return None


def make_admin_token(key: Ed25519PrivateKey, now: datetime) -> str:
    """Make a token that is valid for a day."""
    issued = int(now.timestamp())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "role": ROLE, "iat": issued, "nbf": issued, "exp": issued + LIFETIME}
    signed = ".".join(b64url_encode(compact_json(part)) for part in ({"typ": "JWT", "alg": "EdDSA"}, claims))
    return f"{signed}.{b64url_encode(key.sign(signed.encode()))}"


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a folder that may not be looked into: reading says so
        return True


def _read(path: Path) -> str:
    try:
        return read_bounded(path, MAX_TOKEN).decode("ascii").strip()
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not a token", code="ADMIN-TOKEN", advice="it holds one JWT, in ASCII") from None
