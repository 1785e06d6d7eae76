"""The hot stream: a server's binlog into its stores, segment by segment, for ever.

The stores are the only memory: after a restart of either side the stream goes on where each store's log ends. One
receiver feeds all stores that keep up. One that is far behind, or away for so long that the spool fills, is let go: a
receiver of its own brings it back from the server's binlog, so it holds up no other.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from bkpc_runtime.errors import RuntimeFailure
from bkpc_runtime.mysql.binlog.receiver import ReplicaIdentity
from bkpc_runtime.mysql.flavour import Position, ServerFacts
from bkpc_runtime.repository.segments import order, sequence
from bkpc_runtime.steps.log_acknowledging import Acknowledging, SyncWish
from bkpc_runtime.steps.log_asking import Asking
from bkpc_runtime.steps.log_delivery import Delivery
from bkpc_runtime.steps.log_group import AnotherServer, LogGroup, StreamSource, to_the_same
from bkpc_runtime.steps.log_leftover import deliver_aside, forget_aside, set_aside
from bkpc_runtime.steps.log_parcels import Parcel
from bkpc_runtime.steps.log_spool import LIMIT, Spool
from bkpc_runtime.steps.log_start import Start, find_start
from bkpc_runtime.steps.log_state import StoreState, StreamState, stream_state
from bkpc_runtime.steps.log_taking_over import Connect
from bkpc_runtime.steps.wake import Wake
from bkpc_runtime.stores.store import Store
from bkpc_runtime.transfer.outbound import Pack

log = logging.getLogger(__name__)
LAST_PATIENCE = 8.0
"""How long a stream that is told to stop goes on trying to store what it has, in seconds: Docker kills after 10."""
_LATE = 5.0
"""Seconds that stores which have answered wait for those which have not."""
_RETRY = 3.0
_NEAR = 32 << 20
_MEETING = 5.0


class LogStream:
    """Streams one server's binlog into stores; `pack` compresses and encrypts a segment.

    `prefix` is `<database>/<identity>`; `oldest` gives the binlog that a store's first start begins with (the server's
    current one if empty); `encrypted` says whether `pack` encrypts, which the key's ending shows. `work` is a folder
    on local disk that belongs to this stream. `known_every`: seconds between two notes of until when the log is
    complete; None: there are none.
    """

    def __init__(
        self,
        source_connect: Connect,
        facts: ServerFacts,
        stores: Sequence[Store],
        *,
        work: Path,
        flush_seconds: float,
        pack: Pack,
        prefix: str,
        encrypted: bool = False,
        oldest: Callable[[], str] = lambda: "",
        spool_limit: int = LIMIT,
        sync: SyncWish | None = None,
        known_every: float | None = None,
    ) -> None:
        self.stores = tuple(stores)
        self.prefix = prefix
        self.sync = sync
        self.connect, self.facts = source_connect, facts
        self._source = StreamSource(to_the_same(source_connect, facts), facts, prefix, flush_seconds, pack, encrypted)
        self._work, self._limit, self._oldest = work, spool_limit, oldest
        self._main: LogGroup | None = None
        self._asking = Asking(source_connect, facts, known_every, lambda: self._main) if known_every else None
        self._began = time.time()
        self._failure = ""
        self._lock = threading.Lock()
        self._away: dict[str, StoreState] = {}
        self._since: dict[str, float] = {}
        """When the oldest came that a store lacks which is not fed with the others."""
        self._behind: dict[str, tuple[LogGroup, Delivery]] = {}
        self._threads: list[threading.Thread] = []
        self._stop = threading.Event()
        self._undelivered = False
        self._moved = False
        """Another server has taken over: nobody may ever be asked again for what a store lacks."""
        self._served: set[str] = set()

    def state(self) -> StreamState:
        """A snapshot; may be called from any thread."""
        with self._lock:
            main, behind = self._main, list(self._behind.values())
            fed = {one.store.name for one in main.deliveries} if main else set()
            fed |= {one.store.name for _, one in behind}
            away = [self._away.get(name) or self._unfed(name) for name in self._names() if name not in fed]
            since = [self._since.get(one.store.name, self._began) for _, one in behind]
            unanswered = self._asking.failure if self._asking else ""
            return stream_state(main, away, [*zip(behind, since, strict=True)], self._failure, unanswered)

    def reconnect(self) -> None:
        """A new connection, now: the server has been set up anew."""
        if self._main:
            self._main.reconnect()

    def _names(self) -> list[str]:
        return [one.name for one in self.stores]

    def _unfed(self, store: str, problem: str = "") -> StoreState:
        lag = time.time() - self._since.get(store, self._began)
        return StoreState(store, 0, None, 0.0, lag, 0, problem, behind=True)

    def run(self, stop: threading.Event) -> bool:
        """Streams until `stop` is set, then flushes; whether everything received is durable in every store.

        Raises:
            AnotherServer: the server at the address is not the one that this began with.
            StepFailed: the log can't be kept on local disk.
        """
        self._stop = stop
        ended = threading.Event()

        def over() -> bool:
            return stop.is_set() or ended.is_set()

        if self._asking:
            self._asking.start(over)
        try:
            set_aside(self._work, self.prefix)
            while not over() and self._main is None:
                self._open(over)
            if self._main:
                self._main.run(lambda: over() or self._let_go(over))
        except AnotherServer:
            self._moved = True
            raise
        finally:
            ended.set()
            if self._asking:
                self._asking.end()
            for thread in self._threads:
                thread.join()
            # Where another server waits to be asked, what is not stored at once is kept for then.
            patience = LAST_PATIENCE if stop.is_set() else 1.0 if self._moved else 5.0
            stored = self._main.end(patience, keep=self._moved) if self._main else not self._failure
            if not stored:
                log.warning("log not delivered is asked for again later")
        return stored and not self._undelivered

    def _open(self, over: Callable[[], bool]) -> None:
        """Begins with the stores that answer; the others are tried again beside it."""
        starts = self._starts(over)
        if not starts:
            return
        together = _together(starts, self.sync.quorum if self.sync else 1)
        first = min((starts[store] for store in together), key=lambda one: order(one.next))
        wake = Wake()
        deliveries = [delivery_of(store, self.prefix, starts[store], wake.set) for store in together]
        spool = Spool(self._work / "spool", self.prefix, self._limit)
        spool.clear()
        acknowledging = Acknowledging(self.sync, self.prefix) if self.sync else None
        if acknowledging and len(together) < acknowledging.wish.quorum:
            acknowledging.degrade(deliveries)
        with self._lock:
            self._main = LogGroup(self._source, deliveries, first.next, first.known, spool, wake, acknowledging)
            self._failure = ""
        for store in self.stores:
            if store not in together:
                self._bring_back(store, over)

    def _starts(self, over: Callable[[], bool]) -> dict[Store, Start]:
        """Where each store's log goes on: of all that say so in time, and at least of as many as commits wait for."""
        least = self.sync.quorum if self.sync else 1
        patience = self.sync.patience if self.sync else None
        begun = time.monotonic()
        found: dict[Store, Start] = {}
        pool = ThreadPoolExecutor(len(self.stores), "start")
        asked: dict[Future[Start], Store] = {}
        try:
            while not over():
                asked |= {
                    pool.submit(self._start, one): one for one in self.stores if one not in {*found, *asked.values()}
                }
                done, _ = wait(asked, 0.2)
                for one in done:
                    store = asked.pop(one)
                    try:
                        found[store] = one.result()
                    except AnotherServer:
                        raise
                    except RuntimeFailure as problem:
                        self._not_there(store, problem)
                late = time.monotonic() - begun > _LATE
                given_up = patience is not None and time.monotonic() - begun > patience
                if len(found) == len(self.stores) or (found and (given_up or (late and len(found) >= least))):
                    return found
                time.sleep(_RETRY / 10 if not done else min(_RETRY, _LATE / 5))
            return {}
        finally:
            pool.shutdown(wait=False)

    def _start(self, store: Store) -> Start:
        if store.name not in self._served:
            deliver_aside(self._work, store, self.prefix.partition("/")[0])
            self._served.add(store.name)
            if len(self._served) == len(self.stores):
                forget_aside(self._work)
        return find_start(self._source.connect, self._source.facts, store, self.prefix, self._oldest)

    def _not_there(self, store: Store, problem: RuntimeFailure) -> None:
        if str(problem) != self._failure:
            log.warning("log stream of %s to %s: %s", self.prefix, store.name, problem)
        with self._lock:
            if self._main is None:
                self._failure = str(problem)
            self._away[store.name] = self._unfed(store.name, str(problem))

    def _let_go(self, over: Callable[[], bool]) -> bool:
        """A full spool: stores that are behind go, as long as one is left that keeps up. Never ends the stream."""
        main = self._main
        if main and main.pausing and not main.outgoing.failure:
            waiting = {one: one.waiting()[0] for one in main.deliveries}
            least = min(waiting.values())
            for delivery, size in waiting.items():
                if size > main.outgoing.spool.limit // 2 > least:
                    log.error(
                        "store %s is left behind at %s, %d bytes wait for it: the server's binlog brings it back",
                        delivery.store.name, delivery.durable.text, size,
                    )  # fmt: skip
                    main.outgoing.release(delivery)
                    self._since[delivery.store.name] = delivery.waiting()[1] or time.time()
                    delivery.end(0)
                    self._bring_back(delivery.store, over)
        return False

    def _bring_back(self, store: Store, over: Callable[[], bool]) -> None:
        thread = threading.Thread(target=self._catch_up, args=(store, over), name=f"{store.name} catches up")
        self._threads.append(thread)
        thread.start()

    def _catch_up(self, store: Store, over: Callable[[], bool]) -> None:
        """Tries until the store is back among the others."""
        while not over():
            try:
                if self._caught_up(store, over):
                    return
            except AnotherServer:
                self.reconnect()  # the main group must meet it, too
                return
            except RuntimeFailure as problem:
                self._not_there(store, problem)
            except Exception:  # a thread that died would leave the store behind in silence
                log.exception("bringing %s back", store.name)
            until = time.monotonic() + _RETRY
            while not over() and time.monotonic() < until:
                time.sleep(0.1)

    def _caught_up(self, store: Store, over: Callable[[], bool]) -> bool:
        main = self._main
        assert main is not None
        start = self._start(store)
        wake = Wake()
        delivery = delivery_of(store, self.prefix, start, wake.set)
        spool = Spool(self._work / f"catch-up-{quote(store.name, safe='')}", self.prefix, self._limit)
        spool.clear()
        source = replace(self._source, replica=ReplicaIdentity())
        group = LogGroup(source, [delivery], start.next, start.known, spool, wake)
        with self._lock:
            self._away.pop(store.name, None)
            self._behind[store.name] = (group, delivery)
        back = False
        try:
            with ExitStack() as still:
                meeting = _Meeting(main, group, still)
                group.run(lambda: over() or meeting.held())
                group.outgoing.end(keep=self._moved)
                if meeting.met and not over():
                    main.outgoing.adopt(delivery)
                    back = True
        except AnotherServer:
            self._moved = True
            raise
        finally:
            with self._lock:
                del self._behind[store.name]
            if not back:
                group.outgoing.end(keep=self._moved)
                patience = LAST_PATIENCE if self._stop.is_set() else 1.0
                self._undelivered |= not delivery.end(patience, keep=self._moved)
            wake.close()
        if back:
            log.info("store %s has caught up", store.name)
        return back


class _Meeting:
    """Two groups at one place: when `group` is near, `main` stands still until it is there, too."""

    def __init__(self, main: LogGroup, group: LogGroup, still: ExitStack) -> None:
        self._main, self._group, self._still = main, group, still
        self._place: Position | None = None
        self._until = 0.0

    @property
    def met(self) -> bool:
        return self._place is not None and order(self._group.cutter.boundary) >= order(self._place)

    def held(self) -> bool:
        """Whether there is nothing more to do: they have met, or could not."""
        if self._place is None and self._near():
            self._until = time.monotonic() + _MEETING
            self._place = self._still.enter_context(self._main.still())
        # The others must not stand still for a store that goes away at this very moment.
        failing = self._group.pausing or any(one.failure for one in self._group.deliveries)
        return self._place is not None and bool(self.met or failing or time.monotonic() > self._until)

    def _near(self) -> bool:
        ours, theirs = self._group.cutter.boundary, self._main.cutter.boundary
        if self._group.received is None or self._group.outgoing.paused():
            return False
        if any(one.failure for one in self._group.deliveries):
            return False
        waiting = sum(one.waiting()[0] for one in self._group.deliveries)
        if order(ours) < order(theirs) and not self._group.has_delivered:
            return False
        same = ours.file == theirs.file and theirs.offset - ours.offset < _NEAR
        return (same or order(ours) >= order(theirs)) and waiting < min(_NEAR, self._main.outgoing.spool.limit // 4)


def _together(starts: dict[Store, Start], least: int) -> list[Store]:
    """The stores that one receiver feeds: those near the one that has most, and as many as commits wait for."""
    ranked = sorted(starts, key=lambda store: order(starts[store].next), reverse=True)
    newest = sequence(starts[ranked[0]].next.file)
    near = [store for store in ranked if newest - sequence(starts[store].next.file) <= 1]
    return near if len(near) >= least else ranked[:least]


def delivery_of(store: Store, prefix: str, start: Start, told: Callable[[], None]) -> Delivery:
    """Of one store; it is told first what its start says."""
    delivery = Delivery(store, prefix, start, told)
    if start.gap:
        delivery.expect(start.gap)
    if start.news:
        parcel = Parcel(start.news, arrived=time.time())
        parcel.expect(1)
        delivery.add(parcel)
    return delivery
