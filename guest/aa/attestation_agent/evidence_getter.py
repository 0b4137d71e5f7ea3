"""The program `evidence_getter`: collects the evidence of this machine without an agent, and prints it.

A line for each attester, the primary one first: its name, a colon, the evidence as JSON. The evidence carries the data
as 64 bytes: shorter data gets zeros behind it, longer data is cut, with a warning.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attestack_common import logs, process
from attestack_common.files import read_bounded
from attestack_common.version import ShowVersion
from attestation_protocol.encoding import compact_json, parse_json
from attestation_protocol.tee import Tee
from tee_attesters import detect, installed_attesters, this_machine

from attestation_agent.evidence import AgentEvidence

if TYPE_CHECKING:
    from collections.abc import Sequence

REPORT_DATA: Final = 64
"""Bytes that are put into the evidence."""
MAX_INPUT: Final = 64 * 1024

_log = logs.get_logger("evidence")


def parser() -> argparse.ArgumentParser:
    """Make the parser of the command line; commands are the stock program's."""
    result = argparse.ArgumentParser("evidence_getter", description="Prints evidence of this machine.")
    result.add_argument("-V", "--version", action=ShowVersion)
    commands = result.add_subparsers(dest="source", required=True, metavar="SOURCE")
    commands.add_parser("stdio", help="data from standard input")
    commands.add_parser("commandline", help="data from the command line").add_argument("data", metavar="DATA")
    commands.add_parser("file", help="data from a file").add_argument("path", type=Path, metavar="PATH")
    return result


async def run(arguments: argparse.Namespace) -> None:
    """Collect and print. Raises AttesterError, ConfigError."""
    logs.configure(None)
    data = _padded(_data(arguments))
    detected = detect(this_machine(), installed_attesters())
    evidence = AgentEvidence(detected)
    _print(await evidence.tee(), await evidence.evidence(data))
    devices = await evidence.additional_evidence(data)
    for tee, value in (parse_json(devices) if devices else {}).items():
        _print(Tee(tee), value)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program."""
    arguments = parser().parse_args(argv)
    return process.run(lambda: run(arguments))


def _data(arguments: argparse.Namespace) -> bytes:
    if arguments.source == "stdio":
        return sys.stdin.buffer.read(MAX_INPUT)
    if arguments.source == "file":
        return read_bounded(arguments.path, MAX_INPUT)
    return str(arguments.data).encode("utf-8", "surrogateescape")


def _padded(data: bytes) -> bytes:
    if len(data) > REPORT_DATA:
        _log.warning("the data is cut", bytes=len(data), kept=REPORT_DATA)
    return data[:REPORT_DATA].ljust(REPORT_DATA, b"\0")


def _print(tee: Tee, evidence: object) -> None:
    name = "".join(word.capitalize() for word in tee.name.split("_"))
    sys.stdout.write(f"{name}:{compact_json(evidence).decode()}\n")


if __name__ == "__main__":
    sys.exit(main())
