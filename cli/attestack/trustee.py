"""The program `trustee`: broker, attestation service and reference values in one process.

trustee run                    no configuration needed: HTTP on 127.0.0.1:8080, SQLite and keys below its home
trustee run --config-file F    the broker's own configuration, its paths below the home
trustee keygen                 an administrator's key pair
trustee admin-token            a new administrator's token, valid for a day
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from attestack_common import logs, process
from attestack_common.clock import system_clock
from attestack_common.errors import AttestackError, UsageError
from attestack_common.version import ShowVersion

from attestack.trustee_home import DEFAULT_SOCKET, Home, generate_admin_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from key_broker_service.config import KbsConfig

DESCRIPTION: Final = "Runs a whole trustee: Key Broker Service, Attestation Service, reference values."


def parser() -> argparse.ArgumentParser:
    """Make the parser of the command line."""
    result = argparse.ArgumentParser("trustee", description=DESCRIPTION, allow_abbrev=False)
    result.add_argument("--home", type=Path, metavar="DIR", help="keys and store (default: $TRUSTEE_HOME or by user)")
    result.add_argument("-V", "--version", action=ShowVersion)
    verbs = result.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    run = verbs.add_parser("run", help="serve until a signal ends it")
    run.add_argument("--config-file", type=Path, metavar="FILE", help="the broker's configuration")
    run.add_argument("--socket", default=DEFAULT_SOCKET, help="where to serve without a file (default: %(default)s)")
    run.add_argument("--allow-all", action="store_true", help="store a resource policy that allows all")
    run.add_argument("--strict-config", action="store_true", help="refuse unknown keys instead of naming them")
    keygen = verbs.add_parser("keygen", help="make an administrator's key pair")
    keygen.add_argument("-f", "--file", type=Path, metavar="FILE", help="the private key (default: <home>/key)")
    verbs.add_parser("admin-token", help="make a new administrator's token, valid for a day")
    return result


def run(arguments: argparse.Namespace, home: Home) -> int:
    """Serve until a signal comes; return the status, or leave with it. Raises AttestackError."""
    from attestack_common import config as configuration  # noqa: PLC0415  # the other verbs need no broker
    from key_broker_service import config as broker_config  # noqa: PLC0415  # as above
    from key_broker_service import workers  # noqa: PLC0415  # as above

    logs.configure(None)
    path = arguments.config_file
    if path is None:
        document: dict[str, Any] = home.default_document(arguments.socket)
        for written in home.write_admin_token(system_clock()):
            print(f"the administrator's token, valid for a day, is in {written}", file=sys.stderr)
    else:
        document = home.completed(configuration.load_document(path))
    source = "the defaults of trustee" if path is None else str(path)
    decoded = configuration.decode(
        document, broker_config.KbsConfig, source=source, strict=arguments.strict_config, closed=broker_config.CLOSED
    )
    checked = broker_config.checked(decoded, source=source)
    if checked.http_server.insecure_http and not checked.http_server.on_loopback:
        print(
            "Warning: administrators' tokens and policies can be read and changed on the way: no TLS.", file=sys.stderr
        )
    if arguments.allow_all:
        asyncio.run(_allow_all(checked))
    return workers.run(checked, source=source, strict=arguments.strict_config)


async def _allow_all(config: KbsConfig) -> None:
    from importlib.resources import files  # noqa: PLC0415  # as above

    from key_broker_service import resource_policy  # noqa: PLC0415  # as above
    from trustee_core.policy.store import SUFFIX  # noqa: PLC0415  # as above
    from trustee_core.storage.registry import open_storage  # noqa: PLC0415  # as above

    if config.storage_backend.storage_type.lower() == "memory":
        raise UsageError(
            "--allow-all stores a policy, and what is stored in memory is the running broker's alone",
            code="TRUSTEE-ALLOW-ALL",
            advice="choose another storage_type, or run kbs-client config set-resource-policy --allow-all",
        )
    storage = open_storage(config.storage_backend.storage_type, config.storage_backend.backends)
    try:
        policy = files("key_broker_service").joinpath("policies/allow_all.rego").read_bytes()
        await storage.namespace(resource_policy.NAMESPACE).put(resource_policy.POLICY_ID + SUFFIX, policy)
    finally:
        await storage.close()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program."""
    arguments = parser().parse_args(argv)
    process.harden()
    try:
        home = Home.open(arguments.home)
        if arguments.verb == "run":
            return run(arguments, home)
        if arguments.verb == "keygen":
            private = arguments.file or home.admin_key_path
            print(f"wrote {private} and {generate_admin_key(private)}")
        else:
            home.admin_key()
            for written in home.write_admin_token(system_clock()):
                print(f"wrote {written}")
    except AttestackError as error:
        print(error.diagnostics(), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
