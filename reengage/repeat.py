"""Work that a process does every few seconds beside what it is there for."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from django.db import InterfaceError, OperationalError, connection

logger = logging.getLogger(__name__)


class Repeated(threading.Thread):
    """A thread that does a piece of work every so many seconds, until it is stopped.

    What goes wrong is logged and tried again the next time. Each time has a database connection
    of its own: none is kept that could have been cut meanwhile, or that a fork could inherit.
    """

    def __init__(self, name: str, work: Callable[[], None], every: float) -> None:
        """`every`: seconds from the end of one time to the beginning of the next."""
        super().__init__(name=name, daemon=True)
        self._work = work
        self._every = every
        self._stopping = threading.Event()
        self._is_failing = False

    def run(self) -> None:
        """Work until stopped, the first time at once."""
        while True:
            self._try()
            if self._stopping.wait(self._every):
                return

    def stop(self, seconds: float) -> None:
        """Have it end, and wait for that, `seconds` at most: it may be in the middle of work."""
        self._stopping.set()
        if self.ident is not None:
            self.join(seconds)

    def _try(self) -> None:
        try:
            self._work()
        except (OperationalError, InterfaceError) as error:
            if not self._is_failing:  # once for each time that it is away
                logger.warning("%s: the database does not answer: %s", self.name, error)
            self._is_failing = True
        except Exception:
            logger.exception("%s failed", self.name)
        else:
            self._is_failing = False
        finally:
            connection.close()
