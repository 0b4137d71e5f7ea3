"""`attestack guest`: the Attestation Agent and the Confidential Data Hub in one process, each on its own socket.

One interpreter instead of two, and the hub has its tokens from the agent without a socket between them. The files and
sockets are those of the two programs.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attestack.verbs import Verb

if TYPE_CHECKING:
    import argparse

    from attestation_agent.tokens import KbsTokens
    from key_broker_client import AttestationToken
    from ttrpc_asyncio import Address, Server, Service


class OwnTokens:
    """The agent's tokens for the hub in the same process."""

    def __init__(self, tokens: KbsTokens) -> None:
        self._tokens = tokens

    async def token(self, *, refused: AttestationToken | None = None) -> AttestationToken:
        """Return a token; never the one that was refused."""
        return await self._tokens.token(refused=None if refused is None else refused.fingerprint)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags: those of the two programs, apart where they would clash."""
    parser.add_argument("-a", "--attestation_sock", metavar="ADDRESS", help="the agent listens here")
    parser.add_argument("-c", "--config-file", type=Path, metavar="FILE", help="the agent's configuration")
    parser.add_argument("--cdh-config", type=Path, metavar="FILE", help="the hub's configuration")
    parser.add_argument("-i", "--initdata-digest", metavar="BASE64", help="digest of the init-data")
    parser.add_argument("-t", "--initdata-toml", type=Path, metavar="FILE", help="init-data document; wins over -i")
    parser.add_argument("--strict-config", action="store_true", help="refuse unknown keys instead of naming them")


async def serve(arguments: argparse.Namespace) -> None:
    """Serve both until cancelled."""
    from attestack_common import logs  # noqa: PLC0415  # a verb is listed without loading what it runs
    from attestation_agent import agent  # noqa: PLC0415
    from attestation_agent import main as agent_program  # noqa: PLC0415
    from confidential_data_hub import hub  # noqa: PLC0415
    from ttrpc_asyncio import Address  # noqa: PLC0415

    agent_config = agent.load_config(arguments.config_file, strict=arguments.strict_config)
    hub_config = hub.load_config(arguments.cdh_config, strict=arguments.strict_config)
    logs.configure(agent_config.log.level)
    socket = agent_program.listening_address(arguments.attestation_sock or agent.DEFAULT_SOCKET)
    the_agent = await agent.Agent.assemble(agent_config, agent_program.given_init_data(arguments))
    tokens = None if the_agent.kbs_tokens is None else OwnTokens(the_agent.kbs_tokens)
    async with contextlib.AsyncExitStack() as running:
        await _listen(running, socket, (the_agent.service,))
        the_hub = await hub.Hub.assemble(hub_config, tokens)
        last = await _listen(running, Address.parse(hub_config.socket), the_hub.services)
        await last.serve_forever()


async def _listen(running: contextlib.AsyncExitStack, address: Address, services: tuple[Service, ...]) -> Server:
    from attestack_common import logs, process  # noqa: PLC0415  # as above
    from ttrpc_asyncio import Server  # noqa: PLC0415

    if address.is_file:
        process.ensure_runtime_dir(Path(address.host).parent)
    server = await running.enter_async_context(Server(services))
    await server.start(address)
    logs.get_logger("guest").info("listening", address=str(address), services=",".join(s.name for s in services))
    return server


def run(arguments: argparse.Namespace) -> int:
    """Run both until a signal ends them."""
    from attestack_common import process  # noqa: PLC0415  # as above

    process.harden()
    process.run(lambda: serve(arguments))


VERB: Final = Verb(
    "guest", "run the Attestation Agent and the Confidential Data Hub in one process", add_arguments, run
)
