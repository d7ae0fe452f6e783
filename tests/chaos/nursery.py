"""Where processes come from: forked from one that has read Django and the project, in no time.

That one is multiprocessing's fork server, which imports this module first of all.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import sys
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver
from pathlib import Path
from unittest import mock

from reengage.supervise import die_with_parent

IS_SERVER = "CHAOS_NURSERY"  # in the environment of the fork server alone
if os.environ.get(IS_SERVER):
    import django

    django.setup()
    import celery.apps.beat
    import celery.apps.worker
    import celery.bin.celery  # noqa: F401
    import gunicorn.workers.gthread  # noqa: F401
    import kombu.transport.redis  # noqa: F401

    import reengage.celery  # noqa: F401
    import tests.chaos.lane  # noqa: F401

forks = multiprocessing.get_context("forkserver")
forks.set_forkserver_preload([__name__])
end_with_nursery = die_with_parent(signal.SIGKILL)  # for whoever is forked from here


def open_nursery(**environment: str) -> None:
    """Start the fork server, where it does not run yet, with these variables."""
    with mock.patch.dict(os.environ, {**environment, IS_SERVER: "1"}):
        forkserver.ensure_running()


def start(arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> forks.Process:
    """`python -m` these arguments, in a group of its own, once more with its own variables."""
    process = forks.Process(target=_run, args=(arguments, environment, log), daemon=True)
    process.start()
    return process


def _run(arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
    os.setpgid(0, 0)
    end_with_nursery()
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ |= environment
    del os.environ[IS_SERVER]
    sys.argv = list(arguments)
    # multiprocessing's own name for what its children run.
    sys.modules["__main__"] = sys.modules.get("__mp_main__", sys.modules["__main__"])
    runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
