"""Plays the demonstration.

    (a) the broker answers an empty attestation with an error document
    (b) the sample guest is refused, and told why; so is a workload
    (c) the operator stores a resource, a policy and reference values, and restarts with the insecure switch
    (d) the workload gets the bytes from the REST server
    (e) evidence of a real AMD Milan machine is appraised, verified up to AMD's root
    (f) the same evidence with one bit changed is refused, and the check that failed is named
    (g) grpc-as appraises, one broker issues the token, another gives the secret on it, a third refuses it (passport)

It ends with `demo: ok` and status 0, or says what surprised it and ends with status 1. Everything it writes goes to a
temporary folder, which it removes.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from pathlib import Path
from typing import Final

from deploy.demo import scenes
from deploy.demo.stage import Ports, Stage, SurpriseError

DEFAULT_PORTS: Final = {
    "kbs": 8080,
    "rest": 8006,
    "attestation_service": 8081,
    "grpc_as": 50004,
    "issuer": 8082,
    "keeper": 8083,
    "stranger": 8084,
}


def main() -> int:
    """Play all scenes."""
    parser = argparse.ArgumentParser("demo", description="Shows attestation end to end on loopback.")
    for name, port in DEFAULT_PORTS.items():
        flag = f"--{name.replace('_', '-')}-port"
        parser.add_argument(flag, dest=name, type=int, default=port, metavar="PORT", help="default: %(default)s")
    ports = Ports(**vars(parser.parse_args()))
    try:
        with tempfile.TemporaryDirectory(prefix="attestack-demo-") as folder, contextlib.ExitStack() as running:
            stage = Stage(Path(folder), running, ports)
            scenes.play(stage)
    except SurpriseError as surprise:
        print(f"\ndemo: FAILED: {surprise}", file=sys.stderr)
        return 1
    print("demo: ok")
    return 0


if __name__ == "__main__":
    sys.exit(main())
