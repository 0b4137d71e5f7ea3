"""Try vsock on a kernel that can connect a machine to itself: Linux in user mode, from Debian's `user-mode-linux`.

Few machines run such a kernel (CONFIG_VSOCKETS_LOOPBACK). This one is a process; its files are those of this machine,
which it cannot write. It loads the three modules of vsock, runs the tests, says how they ended, and halts.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import pytest

from tests.interop.build import RUST

ROOT: Final = Path(__file__).parents[2]
KERNEL: Final = "linux.uml"
SECONDS: Final = 300
ENDED: Final = "vsock: the tests ended with "

_MODULES: Final = Path("/usr/lib/uml/modules")
_NAMES: Final = ("vsock", "vmw_vsock_virtio_transport_common", "vsock_loopback")
_FINIT_MODULE: Final = 313
"""The number of the system call on x86-64."""
_POWER_OFF: Final = 0x4321FEDC

_INIT: Final = """#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
cd '{root}'
exec env HOME='{home}' PATH='{path}' TMPDIR=/run PYTHONDONTWRITEBYTECODE=1 '{python}' -m tests.interop.user_mode inside
"""


def boot() -> int:
    """Run the kernel; return how the tests ended."""
    kernel = shutil.which(KERNEL)
    if kernel is None:
        say(f"vsock: {KERNEL} is not installed: apt-get install user-mode-linux")
        return 1
    if not RUST.missing:
        RUST.executable()  # there, nothing can be written
    with tempfile.TemporaryDirectory(prefix="attestack-") as folder:
        init = Path(folder) / "init"
        init.write_text(_INIT.format(root=ROOT, home=Path.home(), path=os.environ["PATH"], python=sys.executable))
        init.chmod(0o700)
        done = subprocess.run(
            [
                kernel,
                "mem=1G",
                "root=/dev/root",
                "rootfstype=hostfs",
                "ro",
                f"init={init}",
                "con=null",
                "con0=null,fd:1",
                "quiet",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    say(done.stdout)
    return 0 if f"{ENDED}0" in done.stdout.splitlines() else 1


def inside() -> None:
    """Be the first process of that kernel, and of no other: at the end the machine is switched off."""
    if os.getpid() != 1 or "User Mode Linux" not in Path("/proc/cpuinfo").read_text():
        raise SystemExit("vsock: this is not the first process of a user-mode kernel")
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        for name in _NAMES:
            (module,) = _MODULES.glob(f"{os.uname().release}/kernel/net/vmw_vsock/{name}.ko")
            with module.open("rb") as file:
                if libc.syscall(_FINIT_MODULE, file.fileno(), b"", 0):
                    raise OSError(ctypes.get_errno(), name)
        say(f"{ENDED}{int(run_tests())}")
    finally:
        libc.reboot(_POWER_OFF)


def say(text: str) -> None:
    """Print at once."""
    print(text, flush=True)  # noqa: T201  # what the program is for


def run_tests() -> int:
    """Run what is about vsock; return pytest's exit status."""
    from tests.unit.ttrpc_asyncio.vsock import LOOPBACK  # noqa: PLC0415  # looks at the kernel when it is imported

    if not LOOPBACK:
        say("vsock: this kernel has no loopback")
        return 1
    tests = [str(ROOT / "tests/unit/ttrpc_asyncio/test_vsock.py")]
    if not RUST.missing:
        tests.append(str(ROOT / "tests/interop/test_ttrpc_rust.py"))
    return pytest.main(["-q", "--color=no", "-k", "vsock", *tests])


if __name__ == "__main__":
    if sys.argv[1:] == ["inside"]:
        inside()
    else:
        sys.exit(boot())
