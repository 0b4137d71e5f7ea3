"""How many processes serve a broker, and what they share.

    sockets     bound by the parent, inherited: another program that wants the port still finds it taken, and the
                connections that wait at a worker's end are not lost
    keys        in the store: the one that seals sessions, and the one that signs tokens where no `signer` is
                configured. The first worker makes them before another starts
    figures     `worker_figures`

What is stored in memory is one process's own, so with sessions, policies, reference values or resources there one
process serves.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final, NoReturn

from attestack_common import process
from attestack_common.listening import bind, name_of
from attestack_common.logs import get_logger
from attestation_service.config import BuiltInRvps

from key_broker_service import server
from key_broker_service.config import BuiltInService
from key_broker_service.supervisor import Supervisor
from key_broker_service.worker_figures import FigureBoard

if TYPE_CHECKING:
    from key_broker_service.config import KbsConfig
    from key_broker_service.supervisor import Worker

_LOG: Final = get_logger("kbs.workers")
_MEMORY: Final = "memory"


def count(config: KbsConfig) -> int:
    """Return how many processes serve. Says so where memory makes it one."""
    wanted = config.http_server.worker_count or 1
    if wanted > 1 and (key := kept_in_memory(config)) is not None:
        _LOG.warning("one process serves: what is in memory cannot be shared", worker_count=wanted, memory=key)
        return 1
    return wanted


def kept_in_memory(config: KbsConfig) -> str | None:
    """Return the key that puts something into memory, or None."""
    named = {
        "storage_backend.storage_type": config.storage_backend.storage_type,
        "session_storage_type": config.session_storage_type,
    }
    service = config.attestation_service
    if isinstance(service, BuiltInService):
        named["attestation_service.storage_type"] = service.storage_type
        if isinstance(service.rvps_config, BuiltInRvps):
            named["attestation_service.rvps_config.storage_type"] = service.rvps_config.storage_type
    return next((key for key, kind in named.items() if kind is not None and kind.lower() == _MEMORY), None)


def run(config: KbsConfig, *, source: str, strict: bool = False) -> int:
    """Serve with as many processes as `count` says until a signal comes. Raises ConfigError.

    Returns the status in the parent of workers. A worker, and a process that serves alone, end with SystemExit. Not to
    be called where an event loop or threads run.
    """
    number = count(config)
    if number == 1:
        process.run(lambda: server.serve(config, source=source, strict=strict))
    with contextlib.ExitStack() as opened:
        sockets = [opened.enter_context(bind(address)) for address in config.http_server.sockets]
        board = opened.enter_context(contextlib.closing(FigureBoard(number)))
        addresses = ", ".join(name_of(listener) for listener in sockets)
        _LOG.info("starting workers", workers=number, addresses=addresses)

        def start(worker: Worker) -> NoReturn:
            inherited = server.Inherited(worker, sockets, board)
            process.run(lambda: server.serve_as_worker(config, inherited, source=source, strict=strict))

        return Supervisor(number, start).run()
