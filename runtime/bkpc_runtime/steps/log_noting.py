"""Writes into one store until when its log is known to be complete, beside the thread that carries the log itself.

Only the newest counts, so a store that does not answer has one to write when it does.
"""

from __future__ import annotations

import logging
import threading

from bkpc_runtime.errors import RuntimeFailure
from bkpc_runtime.repository.known_until import Known
from bkpc_runtime.stores.store import Store

log = logging.getLogger(__name__)
_PAUSE = 3.0


class Noting:
    """One store's notes; `note` returns at once. All that `known` says of must be in the store already."""

    def __init__(self, store: Store, prefix: str) -> None:
        self._store, self._prefix = store, prefix
        self._next: tuple[int, Known] | None = None
        self._lock = threading.Condition()
        self._ending = False
        self._thread: threading.Thread | None = None
        self.failure = ""
        self.noted: Known | None = None

    def note(self, epoch: int, known: Known) -> None:
        with self._lock:
            self._next = epoch, known
            self._lock.notify_all()
            if self._thread is None and not self._ending:
                self._thread = threading.Thread(target=self._run, name=f"notes to {self._store.name}", daemon=True)
                self._thread.start()

    def end(self) -> None:
        """What is under way is not waited for: without it the log tells less, and nothing wrong."""
        with self._lock:
            self._ending = True
            self._lock.notify_all()

    def _run(self) -> None:
        while True:
            with self._lock:
                self._lock.wait_for(lambda: self._next or self._ending)
                if self._ending or self._next is None:
                    return
                epoch, known = self._next
                self._next = None
            try:
                self._store.put(known.key(self._prefix, epoch), b"")
            except Exception as problem:  # a thread that died would leave the group in the dark
                if not isinstance(problem, RuntimeFailure):
                    log.exception("noting in %s", self._store.name)
                self._failed(str(problem) or repr(problem))
                with self._lock:
                    self._next = self._next or (epoch, known)
                    self._lock.wait_for(lambda: self._ending, _PAUSE)
            else:
                self._failed("")
                self.noted = known

    def _failed(self, problem: str) -> None:
        if problem and problem != self.failure:
            log.warning("until when the log in %s is complete can't be noted: %s", self._store.name, problem)
        self.failure = problem
