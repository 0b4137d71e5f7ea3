"""The home of `trustee`: its keys, its store, its administrator's token.

    <home>/key, key.pub           Ed25519, signs administrators' tokens
    <home>/token-key              P-256, signs attestation tokens, so that they outlive a restart
    <home>/attestack.sqlite       resources, policies, reference values, sessions
    <home>/admin-token            an administrator's token, made anew at each start, valid for a day

The folder is made with mode 0700, and others must not be able to write to it; private keys and token are 0600. What
exists is kept, but for the token.
"""

from __future__ import annotations

import contextlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from attestack_common.errors import ConfigError
from attestack_common.files import read_bounded, write_private
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from attestack.admin_tokens import AUDIENCE, FILE_NAME, ISSUER, ROLE, make_admin_token, user_token_path

if TYPE_CHECKING:
    from datetime import datetime

ROOT_HOME: Final = Path("/opt/confidential-containers")
DEFAULT_SOCKET: Final = "127.0.0.1:8080"
MAX_KEY: Final = 64 * 1024
_SHARED_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
_PKCS8: Final = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


@dataclass(frozen=True, slots=True)
class Home:
    """A home folder that exists."""

    path: Path
    chosen: bool
    """Whether it was named by a flag or the environment. The user's own token file is left alone then."""

    @classmethod
    def open(cls, flag: Path | None) -> Self:
        """Find and create the folder: the flag, `TRUSTEE_HOME`, else by user. Raises ConfigError."""
        variable = os.environ.get("TRUSTEE_HOME")
        named = flag or (Path(variable) if variable else None)
        path = named or _home_by_user()
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            shared = stat.S_IMODE(path.stat().st_mode) & _SHARED_WRITE
        except OSError as error:
            raise _unusable(path, f"cannot be made: {error.strerror}") from None
        if shared:
            raise _unusable(path, "others can write to it")
        return cls(path.resolve(), named is not None)

    @property
    def admin_key_path(self) -> Path:
        """The administrator's private key."""
        return self.path / "key"

    @property
    def admin_public_key_path(self) -> Path:
        """The administrator's public key."""
        return public_half(self.admin_key_path)

    def admin_key(self) -> Ed25519PrivateKey:
        """Read the administrator's key, making it first if it is not there. Raises ConfigError."""
        path, public_path = self.admin_key_path, self.admin_public_key_path
        if not path.exists():
            generate_admin_key(path)
        key = _private_key(path)
        if not isinstance(key, Ed25519PrivateKey):
            raise ConfigError(f"{path}: not an Ed25519 key", code="TRUSTEE-KEY", advice="move it away")
        if not public_path.exists():
            _write(public_path, _public_pem(key))
        if read_bounded(public_path, MAX_KEY) != _public_pem(key):
            raise ConfigError(
                f"{public_path}: not the public half of {path}", code="TRUSTEE-KEY", advice="move it away"
            )
        return key

    def token_key_path(self) -> Path:
        """Return the key that signs attestation tokens, making it first if it is not there. Raises ConfigError."""
        path = self.path / "token-key"
        if not path.exists():
            _write(path, ec.generate_private_key(ec.SECP256R1()).private_bytes(*_PKCS8))
        return path

    def write_admin_token(self, now: datetime) -> list[Path]:
        """Make a token and write it where `kbs-client` looks; return the files. Raises ConfigError.

        The copy in the user's own folder is left out where that cannot be written.
        """
        token = make_admin_token(self.admin_key(), now).encode() + b"\n"
        places = [self.path / FILE_NAME]
        _write(places[0], token)
        copy = None if self.chosen else user_token_path()
        if copy is not None and copy != places[0]:
            with contextlib.suppress(OSError):
                copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                write_private(copy, token)
                places.append(copy)
        return places

    def default_document(self, socket: str = DEFAULT_SOCKET) -> dict[str, Any]:
        """Return the configuration that holds without a file, as `kbs` would read it from one."""
        provider = {"issuer": ISSUER, "audience": AUDIENCE, "public_key_uri": str(self.admin_public_key_path)}
        return {
            "http_server": {"sockets": [socket], "insecure_http": True},
            "admin": {
                "authorization_mode": "AuthenticatedAuthorization",
                "authentication": {"bearer_jwt": {"identity_providers": [provider]}},
                "authorization": {"regex_acl": {"acls": [{"role": ROLE, "allowed_endpoints": "^/kbs/.*$"}]}},
            },
            "attestation_service": {
                "type": "coco_as_builtin",
                "attestation_token_broker": {"signer": {"key_path": str(self.token_key_path())}},
            },
            "storage_backend": {
                "storage_type": "Sqlite",
                "backends": {"sqlite": {"path": str(self.path / "attestack.sqlite")}},
            },
            "plugins": [{"name": "resource", "storage_backend_type": "kvstorage"}],
        }

    def completed(self, document: dict[str, Any]) -> dict[str, Any]:
        """Return a file's document with what `trustee` adds: the plugin `resource`, and its paths below this home."""
        plugins = document.get("plugins") or [{"name": "resource", "storage_backend_type": "kvstorage"}]
        moved: dict[str, Any] = self._rebased({**document, "plugins": plugins})
        return moved

    def _rebased(self, value: Any) -> Any:  # noqa: ANN401  # any document
        if isinstance(value, dict):
            return {name: self._rebased(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self._rebased(inner) for inner in value]
        if isinstance(value, str) and Path(value).is_relative_to(ROOT_HOME):
            return str(self.path / Path(value).relative_to(ROOT_HOME))
        return value


def public_half(path: Path) -> Path:
    """Return where the public half of a private key lies: the same path with the suffix `.pub`."""
    public_path = path.with_suffix(".pub")
    return public_path if public_path != path else path.with_name(f"{path.name}.pub")


def generate_admin_key(path: Path) -> Path:
    """Write a new Ed25519 key and its public half, whose path is returned. Raises ConfigError when either exists."""
    public_path = public_half(path)
    for existing in (path, public_path):
        if existing.exists():
            raise ConfigError(
                f"{existing} exists", code="TRUSTEE-KEY-EXISTS", advice="name another file, or move this one away"
            )
    key = Ed25519PrivateKey.generate()
    _write(path, key.private_bytes(*_PKCS8))
    _write(public_path, _public_pem(key))
    return public_path


def _home_by_user() -> Path:
    if os.geteuid() == 0:
        return ROOT_HOME
    try:
        return Path.home() / ".trustee"
    except RuntimeError:
        raise ConfigError(
            "this user has no home", code="TRUSTEE-HOME", advice="name a folder with --home or TRUSTEE_HOME"
        ) from None


def _unusable(path: Path, why: str) -> ConfigError:
    return ConfigError(
        f"{path}: {why}", code="TRUSTEE-HOME", advice=f"chmod go-w {path}, or choose another folder with --home"
    )


def _public_pem(key: Ed25519PrivateKey) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form)


def _write(path: Path, data: bytes) -> None:
    """Write a private file, making its folder first. Raises ConfigError."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(path, data)
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be written: {error.strerror}", code="TRUSTEE-WRITE", advice="choose another folder"
        ) from None


def _private_key(path: Path) -> object:
    try:
        return serialization.load_pem_private_key(read_bounded(path, MAX_KEY), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigError(f"{path}: not an unencrypted PEM private key", code="TRUSTEE-KEY") from None
