"""The `attestack` program: `attestack <verb> …`.

    attestack --help              lists the verbs
    attestack <verb> --help       says what a verb takes
    attestack --version

Exit status: what the verb says, 0 for success; 1 when one of our errors ended it, 2 when the command line cannot be
taken. Errors are one line on standard error: what happened, what to do, a stable code.
"""

from __future__ import annotations

import argparse
import sys
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Final

from attestack_common.errors import AttestackError, UsageError
from attestation_protocol.errors import ProtocolError, wire_text

from attestack._version import __version__
from attestack.verbs import Verb

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.metadata import EntryPoint

GROUP: Final = "attestack.verbs"
_USAGE: Final = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program with these arguments, those of the process by default, and return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _main(arguments)
    except (AttestackError, ProtocolError) as error:
        print(f"attestack: {wire_text(error.message, error.code, error.advice)}", file=sys.stderr)
        return _USAGE if isinstance(error, UsageError) else 1
    except KeyboardInterrupt:
        return 130


def _main(arguments: list[str]) -> int:
    if not arguments or arguments[0] in {"-h", "--help"}:
        print(_overview(), file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else _USAGE
    if arguments[0] in {"-V", "--version"}:
        print(f"attestack {__version__}")
        return 0
    verb = _load(arguments[0])
    parser = argparse.ArgumentParser(prog=f"attestack {verb.name}", description=verb.summary)
    verb.add_arguments(parser)
    return verb.run(parser.parse_args(arguments[1:]))


def _verbs() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name)}


def _load(name: str) -> Verb:
    """Import a verb. Raises UsageError for a name that is none, AttestackError for one that does not load."""
    verbs = _verbs()
    if name not in verbs:
        raise UsageError(f"no such verb: {name!r:.40}", code="VERB-UNKNOWN", advice=f"there are {', '.join(verbs)}")
    try:
        verb = verbs[name].load()
    except (ImportError, AttributeError) as error:
        raise AttestackError(
            f"the verb {name} does not load: {error}", code="VERB-BROKEN", advice="install what it needs"
        ) from error
    if not isinstance(verb, Verb):
        raise AttestackError(f"the entry point of {name} is not a verb", code="VERB-BROKEN")
    return verb


def _overview() -> str:
    lines = ["usage: attestack <verb> …", "", "Confidential Containers attestation.", "", "verbs:"]
    for name in _verbs():
        try:
            summary = _load(name).summary
        except AttestackError:
            summary = "(not installed here)"
        lines.append(f"  {name:<12} {summary}")
    return "\n".join(
        [*lines, "", "`attestack <verb> --help` says what a verb takes; `attestack --version` the version."]
    )


if __name__ == "__main__":
    sys.exit(main())
