"""The program `kbs-client`: the operator's requests, and a guest's for trying a broker out.

What it prints on standard output is what the stock client prints: scripts read it. All else goes to standard error,
where nothing that a peer says can drive a terminal.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from attestack_common import process
from attestack_common.errors import AttestackError, UsageError
from attestack_common.files import read_bounded
from attestack_common.version import ShowVersion
from attestation_protocol.encoding import b64std_encode, compact_json
from attestation_protocol.errors import ProtocolError, wire_text
from attestation_protocol.resource_uri import ResourcePath, ResourceUri
from attestation_protocol.tee_key import TeeKeyPair
from attestation_protocol.token import UnverifiedToken
from key_broker_client import (
    AdminClient,
    HttpTransport,
    RcarClient,
    TransportSettings,
    is_private,
    shown_url,
)
from key_broker_client.admin import ADMIN_USER_AGENT, quoted
from key_broker_client.errors import BrokerRefusedError
from key_broker_client.resources import fetch_resource
from key_broker_client.transport import USER_AGENT

from attestack.admin_tokens import find_admin_token

if TYPE_CHECKING:
    from collections.abc import Sequence

    from key_broker_client import EvidenceProvider, Transport

DESCRIPTION: Final = "Configures a Key Broker Service, and asks it for resources as a guest does."
DEFAULT_URL: Final = "http://127.0.0.1:8080"
MAX_FILE: Final = 16 * 1024 * 1024
DEFAULT_ATTESTATION_POLICY: Final = "default_cpu"
POLICIES: Final = ("allow_all", "deny_all", "affirming", "default")
_I32: Final = range(-(2**31), 2**31)


def parser() -> argparse.ArgumentParser:
    """Make the parser of the command line; verbs and flags are the stock client's."""
    result = argparse.ArgumentParser("kbs-client", description=DESCRIPTION, allow_abbrev=False)
    result.add_argument("--url", default=DEFAULT_URL, help="the broker (default: %(default)s)")
    result.add_argument("--cert-file", type=Path, metavar="PEM", help="root certificate to trust beside the platform's")
    result.add_argument("-V", "--version", action=ShowVersion)
    verbs = result.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    attest = verbs.add_parser("attest", help="attest, and print the token")
    attest.add_argument("--tee-key-file", type=Path, metavar="PEM", help="the guest's key; without it one is made")
    get = verbs.add_parser("get-resource", help="attest, and print a resource in base64")
    get.add_argument("--path", required=True, metavar="REPOSITORY/TYPE/TAG")
    get.add_argument("--tee-key-file", type=Path, metavar="PEM", help="the guest's key; without it one is made")
    get.add_argument("--attestation-token", type=Path, metavar="FILE", help="use this token; needs its key")
    for verb in (attest, get):
        verb.add_argument("init_data", nargs="?", metavar="INIT_DATA", help="init-data: its TOML text, or its file")
    _add_config(verbs.add_parser("config", help="configure the broker, as its administrator"))
    return result


def _add_config(config: argparse.ArgumentParser) -> None:
    config.add_argument("--admin-token-file", type=Path, metavar="FILE", help="the administrator's token")
    verbs = config.add_subparsers(dest="config_verb", required=True, metavar="COMMAND")
    policy = verbs.add_parser("set-attestation-policy", help="store an attestation policy")
    policy.add_argument("--policy-file", type=Path, required=True, metavar="REGO")
    policy.add_argument("--type", default="rego", help="default: %(default)s")
    policy.add_argument("--id", default=DEFAULT_ATTESTATION_POLICY, help="default: %(default)s")
    policy = verbs.add_parser("set-resource-policy", help="store the resource policy")
    choice = policy.add_mutually_exclusive_group(required=True)
    choice.add_argument("--policy-file", type=Path, metavar="REGO")
    for name in POLICIES:
        choice.add_argument(f"--{name.replace('_', '-')}", dest="named", action="store_const", const=name)
    resource = verbs.add_parser("set-resource", help="store a resource")
    resource.add_argument("--path", required=True, metavar="REPOSITORY/TYPE/TAG")
    resource.add_argument("--resource-file", type=Path, required=True, metavar="FILE")
    resource = verbs.add_parser("delete-resource", help="delete a resource")
    resource.add_argument("--path", required=True, metavar="REPOSITORY/TYPE/TAG")
    value = verbs.add_parser("get-reference-value", help="print a reference value")
    value.add_argument("--id", required=True)
    value = verbs.add_parser("set-sample-reference-value", help="store a reference value")
    value.add_argument("name")
    value.add_argument("value")
    kind = value.add_mutually_exclusive_group()
    kind.add_argument("--as-integer", action="store_true", help="the value is a 32-bit integer, not a string")
    kind.add_argument("--as-bool", action="store_true", help="the value is true or false")
    value.add_argument("--as-single-value", action="store_true", help="do not put the value into a list")


async def run(arguments: argparse.Namespace) -> None:
    """Carry out one command. Raises AttestackError or ProtocolError."""
    root = None if arguments.cert_file is None else _read(arguments.cert_file).decode("utf-8", "replace")
    admin = arguments.verb == "config"
    user_agent = ADMIN_USER_AGENT if admin else USER_AGENT
    transport = HttpTransport(TransportSettings(arguments.url, root, user_agent=user_agent))
    try:
        if admin:
            await _configure(arguments, AdminClient(transport, _admin_token(arguments)))
        elif arguments.verb == "attest":
            token = await _guest(arguments, transport).attest()
            print(token.token.text)
        else:
            print(await _get_resource(arguments, transport))
    finally:
        await transport.close()


def _admin_token(arguments: argparse.Namespace) -> str | None:
    token = find_admin_token(arguments.admin_token_file)
    if token is not None and not is_private(arguments.url):
        print(
            f"Warning: the administrator's token goes to {shown_url(arguments.url)} unencrypted: use https.",
            file=sys.stderr,
        )
    return token


async def _get_resource(arguments: argparse.Namespace, transport: Transport) -> str:
    path = ResourcePath.parse(arguments.path)
    uri = ResourceUri.parse(f"kbs:///{path}")
    if arguments.attestation_token is None:
        secret = await _guest(arguments, transport).get_resource(uri)
    else:
        key, token = _given_token(arguments)
        secret = await fetch_resource(transport, uri, key, {"authorization": f"Bearer {token.text}"})
    return b64std_encode(secret.reveal())


def _given_token(arguments: argparse.Namespace) -> tuple[TeeKeyPair, UnverifiedToken]:
    """Read the token and the key that the command line names. Raises UsageError, ConfigError, ProtocolError."""
    if arguments.tee_key_file is None:
        raise UsageError("--attestation-token needs --tee-key-file: the key that the token was issued for")
    text = _read(arguments.attestation_token).decode("ascii", "replace").strip()
    return _key(arguments.tee_key_file), UnverifiedToken.parse(text)


def _guest(arguments: argparse.Namespace, transport: Transport) -> RcarClient:
    key = None if arguments.tee_key_file is None else _key(arguments.tee_key_file)
    return RcarClient(transport, _evidence(), key=key, init_data=_init_data(arguments.init_data))


def _evidence() -> EvidenceProvider:
    from attestation_agent.evidence import AgentEvidence  # noqa: PLC0415  # an operator needs no attesters
    from tee_attesters import detect, installed_attesters, this_machine  # noqa: PLC0415

    detected = detect(this_machine(), installed_attesters())
    if detected.tee.is_sample:
        print("No TEE was found on this machine: sample evidence is used, which proves nothing.", file=sys.stderr)
    return AgentEvidence(detected)


async def _configure(arguments: argparse.Namespace, admin: AdminClient) -> None:
    verb = arguments.config_verb
    if verb == "set-attestation-policy":
        policy = _read(arguments.policy_file)
        await admin.set_attestation_policy(policy, policy_id=arguments.id, policy_type=arguments.type)
        print(f"Set attestation policy success \n policy: {b64std_encode(policy)}")
    elif verb == "set-resource-policy":
        policy = _read(arguments.policy_file) if arguments.named is None else _named_policy(arguments.named)
        await admin.set_resource_policy(policy)
        print(f"Set resource policy success \n policy: {b64std_encode(policy)}")
    elif verb == "set-resource":
        path, value = ResourcePath.parse(arguments.path), _read(arguments.resource_file)
        await admin.set_resource(path, value)
        print(f"Set resource success \n resource: {b64std_encode(value)}")
    elif verb == "delete-resource":
        await admin.delete_resource(ResourcePath.parse(arguments.path))
        print("Delete resource success")
    elif verb == "get-reference-value":
        print(compact_json(await admin.get_reference_value(arguments.id)).decode())
    else:
        await admin.set_sample_reference_value(arguments.name, _value(arguments))
        print("Reference Values Updated")


def _value(arguments: argparse.Namespace) -> Any:  # noqa: ANN401  # the kinds of value that the flags name
    text: str = arguments.value
    value: object = text
    if arguments.as_integer:
        try:
            value = int(text)
        except ValueError:
            value = None
        if not isinstance(value, int) or value not in _I32:
            raise UsageError(f"{text!r:.40} is not a 32-bit integer")
    elif arguments.as_bool:
        if text not in {"true", "false"}:
            raise UsageError(f"{text!r:.40} is neither true nor false")
        value = text == "true"
    return value if arguments.as_single_value else [value]


def _named_policy(name: str) -> bytes:
    from importlib.resources import files  # noqa: PLC0415  # only here

    return files("key_broker_service").joinpath(f"policies/{name}.rego").read_bytes()


def _init_data(argument: str | None) -> str | None:
    """Read init-data: a name that a file has is that file; anything else is the text. Raises UsageError."""
    if argument is None or not _is_file(argument):
        return argument
    try:
        return _read(Path(argument)).decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"{argument}: init-data is not UTF-8", advice="name a TOML document") from None


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except OSError:  # too long for a name
        return False


def _read(path: Path) -> bytes:
    return read_bounded(path, MAX_FILE)


def _key(path: Path) -> TeeKeyPair:
    return TeeKeyPair.from_pem(_read(path))


def _explain(error: AttestackError | ProtocolError) -> str:
    if isinstance(error, BrokerRefusedError):
        information = error.information
        kind, detail = quoted(information.type), quoted(information.detail)
        text = wire_text("Error: request unauthorized", error.code, error.advice)
        return f"ErrorInformation {{ error_type: {kind}, detail: {detail} }}\n{text}"
    return f"Error: {wire_text(error.message, error.code, error.advice)}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program: 0, or 1 when it could not be done. A command line that does not parse ends it with 2."""
    given = sys.argv[1:] if argv is None else argv
    arguments = parser().parse_args(given)
    process.harden()
    try:
        _check_arguments(given)
        asyncio.run(run(arguments))
    except (AttestackError, ProtocolError) as error:
        print(_explain(error), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _check_arguments(given: Sequence[str]) -> None:
    try:
        "".join(given).encode()
    except UnicodeEncodeError:
        raise UsageError("an argument is not UTF-8") from None


if __name__ == "__main__":
    sys.exit(main())
