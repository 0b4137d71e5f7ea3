"""The program `ttrpc-aa-client`: asks an agent, ours or the stock one, over ttRPC or gRPC, and prints its answer.

Evidence and tokens are printed as they come. A token comes with its private key: mind where the output goes.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Final

from attestack_common import process
from attestack_common.errors import UsageError
from attestack_common.version import ShowVersion
from attestation_protocol.encoding import b64std_decode
from attestation_protocol.errors import EncodingError
from attestation_protocol.stubs import attestation_agent_pb2 as pb
from key_broker_client.guest_rpc import peer

from attestation_agent.agent import DEFAULT_SOCKET

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from key_broker_client.guest_rpc import Peer

SERVICE: Final = pb.DESCRIPTOR.services_by_name["AttestationAgentService"].full_name
DEFAULT_SECONDS: Final = 50.0

_EXTENDED: Final = {
    pb.OK: "Extended.",
    pb.NOT_SUPPORTED: "The platform does not support runtime measurement.",
    pb.NOT_ENABLED: "The agent does not record events: it was started without the event log.",
}


def parser() -> argparse.ArgumentParser:
    """Make the parser of the command line; flags and commands are the stock tool's, and two commands more."""
    result = argparse.ArgumentParser("ttrpc-aa-client", description="Asks an Attestation Agent.", allow_abbrev=False)
    result.add_argument(
        "-a",
        "--attestation_sock",
        default=DEFAULT_SOCKET,
        metavar="ADDRESS",
        help="unix://… for ttRPC, or http://127.0.0.1:50002 for gRPC (default: %(default)s)",
    )
    result.add_argument("-V", "--version", action=ShowVersion)
    commands = result.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("get-tee", help="the primary TEE").set_defaults(run=_tee)
    commands.add_parser("get-additional-tees", help="the devices, one a line").set_defaults(run=_additional_tees)
    for name, run in (("get-evidence", _evidence), ("get-additional-evidence", _additional_evidence)):
        evidence = commands.add_parser(name, help="evidence, JSON")
        evidence.add_argument("-r", "--runtime-data", required=True, metavar="BASE64", help="what the evidence carries")
        evidence.set_defaults(run=run)
    token = commands.add_parser("get-token", help="a token; with its private key, where it has one")
    token.add_argument("-t", "--token-type", required=True, metavar="KIND", help="kbs or coco_as")
    token.set_defaults(run=_token)
    event = commands.add_parser("extend-runtime-measurement", help="record an event")
    for short, long in (("-d", "--domain"), ("-o", "--operation"), ("-c", "--content")):
        event.add_argument(short, long, required=True, metavar="TEXT")
    event.add_argument(
        "-p", "--register-index", type=int, metavar="NUMBER", help="the register; the agent's, if left out"
    )
    event.set_defaults(run=_extend)
    return result


async def run(arguments: argparse.Namespace) -> None:
    """Ask, and print the answer. Raises AttestackError."""
    command: Callable[[Peer, argparse.Namespace], Awaitable[str]] = arguments.run
    async with peer(arguments.attestation_sock, seconds=DEFAULT_SECONDS) as agent:
        text = await command(agent, arguments)
    sys.stdout.write(f"{text}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program."""
    arguments = parser().parse_args(argv)
    return process.run(lambda: run(arguments))


async def _tee(agent: Peer, _: argparse.Namespace) -> str:
    return (await agent.unary(SERVICE, "GetTeeType", pb.GetTeeTypeRequest(), pb.GetTeeTypeResponse)).tee


async def _additional_tees(agent: Peer, _: argparse.Namespace) -> str:
    request = pb.GetAdditionalTeesRequest()
    answer = await agent.unary(SERVICE, "GetAdditionalTees", request, pb.GetAdditionalTeesResponse)
    return "\n".join(answer.additional_tees)


async def _evidence(agent: Peer, arguments: argparse.Namespace) -> str:
    request = pb.GetEvidenceRequest(RuntimeData=_runtime_data(arguments))
    return (await agent.unary(SERVICE, "GetEvidence", request, pb.GetEvidenceResponse)).Evidence.decode(
        "utf-8", "replace"
    )


async def _additional_evidence(agent: Peer, arguments: argparse.Namespace) -> str:
    request = pb.GetAdditionalEvidenceRequest(RuntimeData=_runtime_data(arguments))
    return (await agent.unary(SERVICE, "GetAdditionalEvidence", request, pb.GetEvidenceResponse)).Evidence.decode(
        "utf-8", "replace"
    )


async def _token(agent: Peer, arguments: argparse.Namespace) -> str:
    request = pb.GetTokenRequest(TokenType=arguments.token_type)
    return (await agent.unary(SERVICE, "GetToken", request, pb.GetTokenResponse)).Token.decode("utf-8", "replace")


async def _extend(agent: Peer, arguments: argparse.Namespace) -> str:
    request = pb.ExtendRuntimeMeasurementRequest(
        Domain=arguments.domain, Operation=arguments.operation, Content=arguments.content
    )
    if arguments.register_index is not None:
        try:
            request.RegisterIndex = arguments.register_index
        except ValueError:
            raise UsageError("--register-index is a number of 64 bits, not below 0") from None
    answer = await agent.unary(SERVICE, "ExtendRuntimeMeasurement", request, pb.ExtendRuntimeMeasurementResponse)
    return _EXTENDED.get(answer.Result, f"The agent answered {answer.Result}.")


def _runtime_data(arguments: argparse.Namespace) -> bytes:
    try:
        return b64std_decode(arguments.runtime_data)
    except EncodingError as error:
        raise UsageError(f"--runtime-data is {error.message}", advice="give standard base64 with padding") from None


if __name__ == "__main__":
    sys.exit(main())
