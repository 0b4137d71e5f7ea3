"""The two configurations of upstream's passport tests, unchanged but for their ports, with the files that they name.

`kbs.toml` speaks HTTPS, attests, and signs with a certified key; `resource-kbs.toml` trusts the authority.
"""

from __future__ import annotations

import http.client
import ssl
import time
from typing import TYPE_CHECKING, Final

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.conformance.vectors import vector
from tests.integration.authorities import PEM, Authority
from tests.integration.independent_rcar_client import Guest, new_key
from tests.integration.kbs_config import policy_document
from tests.integration.processes import Program, Tcp, free_port

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.vectors

PATH: Final = "/kbs/v0/resource/default/key/1"


def started(name: str, socket: str, folder: Path) -> tuple[Program, int]:
    """The program on a file of the field whose one socket is another, in a folder that has `work`."""
    port = free_port()
    text = vector(f"configs/kbs-tests/{name}").read_text()
    assert text.count(socket) == 1
    (folder / name).write_text(text.replace(socket, f"127.0.0.1:{port}"))
    env = {"ATTESTACK_INSECURE_SAMPLE_EVIDENCE": "1"}
    return Program("kbs", "-c", folder / name, ready=Tcp(port), env=env, cwd=folder), port


def files(folder: Path) -> tuple[Authority, ec.EllipticCurvePrivateKey]:
    """Make what the two files name below `./work`; return the authority and the administrator's key."""
    work = folder / "work"
    work.mkdir()
    authority = Authority(work, "ca-cert")
    signer, web = authority.certify("token"), authority.certify("https", loopback=True)
    signer.chain_path.rename(work / "token-cert-chain.pem")
    web.chain_path.rename(work / "https.crt")
    admin = ec.generate_private_key(ec.SECP256R1())
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    (work / "kbs.pem").write_bytes(admin.public_key().public_bytes(PEM, form))
    return authority, admin


def test_a_passport_travels_between_the_brokers_of_the_field(tmp_path: Path) -> None:
    authority, admin_key = files(tmp_path)
    issuer, first = started("kbs.toml", "127.0.0.1:8080", tmp_path)
    resource, second = started("resource-kbs.toml", "127.0.0.1:50002", tmp_path)
    claims = {"iss": "issuer", "aud": "kbs", "role": "admin", "exp": int(time.time()) + 600}
    admin = {"Authorization": f"Bearer {jwt.encode(claims, admin_key, 'ES256')}"}
    with issuer, resource:
        guest = Guest(f"https://127.0.0.1:{first}", new_key("P-256"))
        trust = ssl.create_default_context(cafile=str(authority.path))
        guest.connection = http.client.HTTPSConnection("127.0.0.1", first, timeout=20, context=trust)
        passport = guest.token(guest.auth())
        guest.close()
        shop = Guest(f"http://127.0.0.1:{second}", guest.key)
        assert shop.send("POST", PATH, b"secret", **admin).status == 200
        assert shop.send("POST", "/kbs/v0/resource-policy", policy_document(), **admin).status == 200
        assert shop.open(shop.resource("default/key/1", Authorization=f"Bearer {passport}")) == b"secret"
        shop.close()
