"""A chaos run: `python -m tests.chaos --minutes 10 --seed 7`. Exit code 1 where a promise broke."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import time

import django

from reengage.embedded import places
from tests.chaos.plan import plan
from tests.chaos.register import BROKEN
from tests.servers import Postgres

A_SECOND = 40  # deliveries, where nothing else is asked for


def main() -> int:
    """Print the plan, or carry it out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0, help="how long faults are done")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="plan of the faults")
    parser.add_argument("--deliveries", type=int, help=f"in all; default: {A_SECOND} a second")
    parser.add_argument("--plan", action="store_true", help="print the plan and do nothing")
    parser.add_argument("--verbose", action="store_true", help="print each fault as it is done")
    parser.add_argument("--keep", action="store_true", help="keep the logs, whatever comes of it")
    parser.add_argument("--break", dest="broken", default="", help="a promise of sabotage.py")
    given = parser.parse_args()
    seconds = 60 * given.minutes
    if given.plan:
        print(*plan(given.seed, seconds), sep="\n")
        return 0
    os.environ[BROKEN] = given.broken
    deliveries = given.deliveries or int(A_SECOND * seconds)
    return start(given.seed, seconds, deliveries, keep=given.keep, verbose=given.verbose)


def start(seed: int, seconds: float, deliveries: int, *, keep: bool, verbose: bool) -> int:
    """Start the database, and Django on it; everything else is run.py's."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # not without ending what was started
    with places.throwaway_root() as root:
        postgres = Postgres(root)
        try:
            os.environ |= {
                "DJANGO_SETTINGS_MODULE": "tests.chaos.settings",
                "DATABASE_URL": postgres.url,
                "REDIS_URL": "redis://127.0.0.1:1/0",  # this process has no use for it
                "SPOOL_DIR": str(root / "spool"),
                "LOG_LEVEL": "INFO" if verbose else "ERROR",
            }
            django.setup()
            logging.captureWarnings(capture=True)
            from tests.chaos.run import Order, run  # noqa: PLC0415  needs the models

            return run(Order(seed, seconds, deliveries, keep), root, postgres)
        finally:
            postgres.stop()


if __name__ == "__main__":
    sys.exit(main())
