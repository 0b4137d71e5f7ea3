"""The passport model by real processes: one `kbs` attests guests and issues tokens, another one takes them.

The second broker has no `[attestation_service]`. It trusts the first one's certificate authority, or its JWK set from
a path, a `file://` or an `https://` address, and nothing else.
"""

from __future__ import annotations

import http.server
import ssl
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import jwt
import pytest

from tests.integration.authorities import Authority, Certified, jwk_set
from tests.integration.independent_rcar_client import Answer, Guest, new_key
from tests.integration.kbs_config import policy_document
from tests.integration.processes import Program, Tcp, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SECRET: Final = b"good for a passport"
PATH: Final = "default/key/1"
_COMMON: Final = """
insecure_sample_evidence = true
[http_server]
sockets = ["127.0.0.1:{port}"]
insecure_http = true
[admin]
authorization_mode = "InsecureAllowAll"
"""
_ISSUER: Final = """
[attestation_service]
type = "coco_as_builtin"
[attestation_service.attestation_token_broker.signer]
key_path = "{key}"
cert_path = "{chain}"
"""
_RESOURCES: Final = """
[attestation_token]
{trust}
[[plugins]]
name = "resource"
storage_backend_type = "kvstorage"
"""


class Broker:
    """One `kbs` process."""

    def __init__(self, folder: Path, text: str, env: Mapping[str, str] | None = None) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        path = folder / f"kbs-{port}.toml"
        path.write_text(_COMMON.format(port=port) + text)
        self.program = Program("kbs", "--strict-config", "-c", path, ready=Tcp(port), env=env)


@contextmanager
def issuer(folder: Path, signer: Certified) -> Iterator[Broker]:
    broker = Broker(folder, _ISSUER.format(key=signer.key_path, chain=signer.chain_path))
    with broker.program:
        yield broker


@contextmanager
def resources(folder: Path, trust: str, env: Mapping[str, str] | None = None) -> Iterator[Broker]:
    """A broker that holds the secret for every token that it trusts."""
    broker = Broker(folder, _RESOURCES.format(trust=trust), env)
    with broker.program:
        operator = Guest(broker.url, new_key("P-256"))
        assert operator.send("POST", f"/kbs/v0/resource/{PATH}", SECRET).status == 200
        assert operator.send("POST", "/kbs/v0/resource-policy", policy_document()).status == 200
        operator.close()
        yield broker


class Traveller:
    """A guest that shows its passport wherever it is sent."""

    def __init__(self, issued_by: Broker) -> None:
        self._guest = Guest(issued_by.url, new_key("P-256"))
        self.passport = self._guest.token(self._guest.auth())
        self.key = self._guest.key
        self._guest.close()

    @property
    def claims(self) -> dict[str, Any]:
        claims: dict[str, Any] = jwt.decode(self.passport, options={"verify_signature": False})
        return claims

    def header(self) -> dict[str, Any]:
        return jwt.get_unverified_header(self.passport)

    def show(self, broker: Broker, passport: str | None = None) -> Answer:
        guest = Guest(broker.url, self.key)
        try:
            return guest.resource(PATH, Authorization=f"Bearer {passport or self.passport}")
        finally:
            guest.close()

    def secret(self, answer: Answer) -> bytes:
        return Guest("http://127.0.0.1", self.key).open(answer)


def refused(answer: Answer) -> str:
    """The code of a refusal of a token."""
    assert (answer.status, answer.json["type"].rpartition("/")[2]) == (401, "TokenVerifierError")
    return str(answer.json["detail"]).rpartition("[")[2].rstrip("]")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def signer(authority: Authority) -> Certified:
    return authority.certify("signer")


def test_a_passport_is_issued_by_one_and_spent_at_another_that_trusts_its_authority(
    tmp_path: Path, authority: Authority, signer: Certified
) -> None:
    with (
        issuer(tmp_path, signer) as first,
        resources(tmp_path, f'trusted_certs_paths = ["{authority.path}"]') as second,
    ):
        traveller = Traveller(first)
        assert len(traveller.header()["jwk"]["x5c"]) == 2
        assert traveller.secret(traveller.show(second)) == SECRET
        assert traveller.show(first).json["type"].endswith("/PluginNotFound")
        assert "key=trusted_certs_paths" in second.program.log.replace("key_source", "key")


def test_a08_the_passport_of_another_authority_is_refused(tmp_path: Path, signer: Certified) -> None:
    other = Authority(tmp_path, "other-authority")
    with issuer(tmp_path, signer) as first, resources(tmp_path, f'trusted_certs_paths = ["{other.path}"]') as second:
        assert refused(Traveller(first).show(second)) == "TOKEN-CHAIN"


def test_a07_the_key_of_another_broker_is_refused_with_its_own_chain_a_stolen_one_and_none(
    tmp_path: Path, authority: Authority, signer: Certified
) -> None:
    stranger = Authority(tmp_path, "stranger").certify("stranger-signer")
    with (
        issuer(tmp_path, signer) as first,
        issuer(tmp_path, stranger) as foreign,
        resources(tmp_path, f'trusted_certs_paths = ["{authority.path}"]') as second,
    ):
        honest, traveller = Traveller(first), Traveller(foreign)
        assert refused(traveller.show(second)) == "TOKEN-CHAIN"
        key = traveller.header()["jwk"]
        stolen = {**key, "x5c": honest.header()["jwk"]["x5c"]}
        bare = {name: value for name, value in key.items() if name != "x5c"}
        for forged, code in (
            (stolen, "TOKEN-CHAIN"),
            (bare, "TOKEN-CHAIN"),
            (honest.header()["jwk"], "TOKEN-SIGNATURE"),
        ):
            passport = jwt.encode(traveller.claims, stranger.key, "ES256", {"jwk": forged})
            assert refused(traveller.show(second, passport)) == code


def test_a08_a_passport_ends_with_its_time(tmp_path: Path, authority: Authority, signer: Certified) -> None:
    with (
        issuer(tmp_path, signer) as first,
        resources(tmp_path, f'trusted_certs_paths = ["{authority.path}"]') as second,
    ):
        traveller = Traveller(first)
        header = {"jwk": traveller.header()["jwk"]}
        for seconds, code in ((-3600, "TOKEN-EXPIRED"), (None, "TOKEN-CLAIMS")):
            claims = traveller.claims
            if seconds is None:
                del claims["exp"]
            else:
                claims["exp"] = int(time.time()) + seconds
            assert refused(traveller.show(second, jwt.encode(claims, signer.key, "ES256", header))) == code
        again = jwt.encode(traveller.claims, signer.key, "ES256", header)
        assert traveller.secret(traveller.show(second, again)) == SECRET


@contextmanager
def web(signer: Certified, pages: Mapping[str, bytes]) -> Iterator[str]:
    """Serve pages over HTTPS on loopback; yields the address."""

    class Pages(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = pages.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("content-length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            pass

    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(signer.chain_path, signer.key_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("form", ["path", "file", "https", "discovery"])
def test_a_passport_is_trusted_by_the_jwk_set_of_its_issuer(
    tmp_path: Path, authority: Authority, signer: Certified, form: str
) -> None:
    keys = jwk_set((signer.key, None))
    (tmp_path / "set.json").write_bytes(keys)
    pages: dict[str, bytes] = {"/.well-known/jwks.json": keys}
    with web(authority.certify("web", loopback=True), pages) as address:
        pages["/.well-known/openid-configuration"] = f'{{"jwks_uri": "{address}/.well-known/jwks.json"}}'.encode()
        source = {
            "path": str(tmp_path / "set.json"),
            "file": f"file://{tmp_path}/set.json",
            "https": f"{address}/.well-known/jwks.json",
            "discovery": address,
        }[form]
        env = {"SSL_CERT_FILE": str(authority.path)}
        with (
            issuer(tmp_path, signer) as first,
            issuer(tmp_path, authority.certify("another")) as foreign,
            resources(tmp_path, f'trusted_jwk_sets = ["{source}"]', env) as second,
        ):
            traveller = Traveller(first)
            assert traveller.secret(traveller.show(second)) == SECRET
            assert refused(Traveller(foreign).show(second)) == "TOKEN-KEY"


def test_the_passport_of_an_issuer_that_names_its_key_is_found_by_kid(tmp_path: Path, signer: Certified) -> None:
    (tmp_path / "set.json").write_bytes(jwk_set((signer.key, "k1")))
    with (
        issuer(tmp_path, signer) as first,
        resources(tmp_path, f'trusted_jwk_sets = ["{tmp_path}/set.json"]') as second,
    ):
        traveller = Traveller(first)
        named = jwt.encode(traveller.claims, signer.key, "ES256", {"kid": "k1"})
        assert traveller.secret(traveller.show(second, named)) == SECRET
        unknown = jwt.encode(traveller.claims, signer.key, "ES256", {"kid": "k2"})
        assert refused(traveller.show(second, unknown)) == "TOKEN-KEY"


def test_a26_a_jwk_set_from_whom_nobody_vouches_for_stops_the_start(tmp_path: Path, authority: Authority) -> None:
    stranger = Authority(tmp_path, "stranger").certify("web", loopback=True)
    with web(stranger, {"/keys": jwk_set((stranger.key, "k1"))}) as address:
        broker = Broker(
            tmp_path,
            _RESOURCES.format(trust=f'trusted_jwk_sets = ["{address}/keys"]'),
            {"SSL_CERT_FILE": str(authority.path)},
        )
        with pytest.raises(AssertionError, match="KEY-SOURCE"):
            broker.program.start()


def test_a_broker_of_resources_attests_for_itself_too(tmp_path: Path, authority: Authority) -> None:
    """Upstream's build without an attestation service has no `auth`; ours has one in every process."""
    with resources(tmp_path, f'trusted_certs_paths = ["{authority.path}"]') as second:
        traveller = Traveller(second)
        assert traveller.secret(traveller.show(second)) == SECRET
