"""`attestack guest`: the Attestation Agent and the Confidential Data Hub in one process, each on its own socket.

One interpreter instead of two, and the hub has its tokens from the agent without a socket between them. The files and
sockets are those of the two programs; the log's level is the agent's.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attestack.verbs import Verb

if TYPE_CHECKING:
    import argparse


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
    from confidential_data_hub import main as hub_program  # noqa: PLC0415

    logs.configure(None)
    agent_address = agent_program.listening_address(arguments.attestation_sock or agent.DEFAULT_SOCKET)
    agent_config = agent.load_config(arguments.config_file, strict=arguments.strict_config)
    hub_config = hub.load_config(arguments.cdh_config, strict=arguments.strict_config)
    hub_address = hub_program.listening_address(hub_config.socket)
    logs.configure(agent_config.log.level)
    async with contextlib.AsyncExitStack() as running:
        the_agent = await agent.Agent.assemble(agent_config, agent_program.given_init_data(arguments))
        running.push_async_callback(the_agent.close)
        await agent_program.listen(running, agent_address, the_agent.services_at(agent_address))
        the_hub = await hub.Hub.assemble(hub_config, the_agent.kbs_tokens)
        running.push_async_callback(the_hub.close)
        server = await hub_program.listen(running, hub_address, the_hub.services, broker=hub_config.kbc.url)
        await server.serve_forever()


def run(arguments: argparse.Namespace) -> int:
    """Run both until a signal ends them."""
    from attestack_common import process  # noqa: PLC0415  # as above

    process.harden()
    process.run(lambda: serve(arguments))


VERB: Final = Verb(
    "guest", "run the Attestation Agent and the Confidential Data Hub in one process", add_arguments, run
)
