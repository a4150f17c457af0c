"""Behind the polling thread: one thread writes batches, one derives them. Steps 2 to 5 of the ledger's walk.

2 PENDING is acknowledged before any row of the batch is inserted.   3 history, quarantine, receipts.
4 derive, for all batches written since the last derive.             5 DONE. Then the polling thread may commit (6).
A batch that fails stays PENDING; whoever owns its partitions next recovers it.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import structlog
from clickhouse_connect.driver.client import Client

from rollcall import metrics
from rollcall.failpoints import FailPoints
from rollcall.settings import Settings
from sinks.clickhouse import connect, patiently
from sinks.derive import derive
from sinks.ledger import Ledger, LedgerRange
from sinks.writer import Writer
from streams.frames import EVIDENCE
from streams.process import Outcome

__all__ = ["Fenced", "Guard", "Pipeline", "Work"]

_log = structlog.get_logger()


class Fenced(Exception):  # noqa: N818 - a state of the world, not a fault
    """This writer no longer owns what it was about to write: nothing more may be written by it."""


class Guard:
    """Whether this writer may still write: its last good poll is recent, and nobody claimed a later epoch."""

    def __init__(self, session_timeout_s: float) -> None:
        self._limit = session_timeout_s
        self._polled = time.monotonic()
        self._revoked = threading.Event()
        self.epochs: dict[tuple[str, int], int] = {}

    def polled(self) -> None:
        """The polling thread is alive and in the group."""
        self._polled = time.monotonic()

    def revoke(self) -> None:
        """The partitions are gone: write nothing more."""
        self._revoked.set()

    def check(self, ledger: Ledger, ranges: list[LedgerRange]) -> None:
        """Raises Fenced when a row of ``ranges`` must not be written by us any more."""
        if self._revoked.is_set():
            raise Fenced("the partitions were taken away")
        if (silent := time.monotonic() - self._polled) > self._limit:
            raise Fenced(f"no good poll for {silent:.1f} s: another worker may own the partitions by now")
        mine = {(r.topic_id, r.partition): self.epochs.get((r.topic_id, r.partition), 0) for r in ranges}
        latest = ledger.epochs(list(mine))
        for place, epoch in mine.items():
            if latest.get(place, 0) != epoch:
                raise Fenced(f"partition {place[1]} was claimed by a later epoch")


@dataclass(slots=True)
class Work:
    """A processed batch on its way to the tables. ``pending``: the PENDING insert, begun while it was decoded."""

    outcome: Outcome
    ranges: list[LedgerRange]
    pending: Future[None]
    oldest_ms: int


class Pipeline:
    """The writing and the deriving thread of one assignment."""

    def __init__(self, settings: Settings, guard: Guard, fail: FailPoints) -> None:
        self._settings, self._guard, self._fail = settings, guard, fail
        self._to_write: queue.Queue[Work | None] = queue.Queue(maxsize=2)
        self._written: deque[Work] = deque()
        self._news = threading.Condition()
        self._committable: deque[tuple[str, int, int]] = deque()
        self._in_flight = 0
        self._writing_over = False
        self._stop = threading.Event()
        self.failure: BaseException | None = None
        self._ledger_pool = ThreadPoolExecutor(1, thread_name_prefix="pending")
        self._pending_ledger = Ledger(connect(settings.clickhouse), settings.worker.group)
        self._threads = [
            threading.Thread(target=self._guarded, args=(body,), name=body.__name__.strip("_"), daemon=True)
            for body in (self._write_all, self._derive_all)
        ]
        for thread in self._threads:
            thread.start()

    # ---- the polling thread's side

    def begin(self, ranges: list[LedgerRange]) -> Future[None]:
        """Step 2, begun: write PENDING for ``ranges`` while the batch is decoded."""

        def write() -> None:
            self._fail.reach("pending.before")
            self._patiently(lambda: self._guard.check(self._pending_ledger, ranges), "checking the epoch")
            self._patiently(
                lambda: self._pending_ledger.write("PENDING", ranges, f"{ranges[0].batch}:PENDING"),
                "writing the ledger",
            )
            self._fail.reach("pending.written")

        return self._ledger_pool.submit(write)

    def submit(self, work: Work, alive: Callable[[], None]) -> None:
        """Hand a batch over; waits while two are before it, calling ``alive``. Raises what made a thread fail."""
        with self._news:
            self._in_flight += 1
        while True:
            self.raise_failure()
            try:
                self._to_write.put(work, timeout=0.1)
                return
            except queue.Full:
                alive()

    def committable(self) -> list[tuple[str, int, int]]:
        """(topic, partition, next offset) of what is DONE since the last call."""
        out = []
        while self._committable:
            out.append(self._committable.popleft())
        return out

    def wait_idle(self, timeout_s: float, alive: Callable[[], None] = lambda: None) -> bool:
        """Wait until nothing is in flight; False when ``timeout_s`` passed first or a thread failed."""
        end = time.monotonic() + timeout_s
        while True:
            with self._news:
                if self._in_flight == 0:
                    return True
                self._news.wait(0.05)
            alive()
            if self.failure is not None or time.monotonic() > end:
                return False

    def wait_written(self, alive: Callable[[], None]) -> None:
        """Wait until every batch handed over stands in the history. Raises what made a thread fail."""
        while self._to_write.unfinished_tasks:
            self.raise_failure()
            alive()
            time.sleep(0.002)

    def close(self) -> None:
        """Stop both threads; what is not DONE stays PENDING."""
        self._stop.set()
        with self._news:
            self._news.notify_all()
        self._to_write.queue.clear()
        with contextlib.suppress(queue.Full):
            self._to_write.put_nowait(None)
        for thread in self._threads:
            thread.join(timeout=30)
        self._ledger_pool.shutdown(wait=True, cancel_futures=True)

    def raise_failure(self) -> None:
        """Raises what made one of the threads fail, in the calling thread."""
        if self.failure is not None:
            raise self.failure

    # ---- the threads

    def _guarded(self, body: Callable[[], None]) -> None:
        try:
            body()
        except BaseException as e:  # noqa: BLE001 - whatever it is, the polling thread must learn of it and stop
            if not self._stop.is_set():
                self.failure = e
            with self._news:
                self._news.notify_all()

    def _patiently(self, act: Callable[[], None], what: str) -> None:
        def waiting(away: bool) -> None:
            metrics.PAUSED_PARTITIONS.labels(reason="clickhouse_away").set(len(self._guard.epochs) if away else 0)

        patiently(act, what=what, still_wanted=lambda: not self._stop.is_set(), on_wait=waiting)

    def _write_all(self) -> None:
        client = connect(self._settings.clickhouse)
        writer, ledger = Writer(client), Ledger(client, self._settings.worker.group)
        while (work := self._to_write.get()) is not None and not self._stop.is_set():
            work.pending.result()
            started = time.perf_counter()
            self._write(work, writer, ledger)
            metrics.STEP_SECONDS.labels(step="write").observe(time.perf_counter() - started)
            metrics.EVENT_AGE_SECONDS.labels(stage="history").observe(max(0.0, time.time() - work.oldest_ms / 1000))
            with self._news:
                self._written.append(work)
                self._news.notify_all()
            self._to_write.task_done()
        with self._news:
            self._writing_over = True
            self._news.notify_all()

    def _write(self, work: Work, writer: Writer, ledger: Ledger) -> None:
        """Step 3. Quarantine first of what may fail for good: a refusal that is not on record stops the partition."""
        outcome = work.outcome
        self._patiently(lambda: self._guard.check(ledger, work.ranges), "checking the epoch")
        self._fail.reach("history.before")
        token = f"{outcome.batch.id}"
        for table, point in (
            ("mark_event", "history.written"), ("quarantine_message", None), ("quarantine", "quarantine.written"),
            ("register_receipt", "receipts.written"),
        ):  # fmt: skip
            rows = getattr(outcome, table)
            if rows.num_rows:
                self._patiently(lambda t=table, r=rows: writer.insert(t, r, token), f"writing {table}")  # type: ignore[misc]
            if point is not None:
                self._fail.reach(point)
        for table in ("mark_event", "quarantine_message", "quarantine", "register_receipt"):
            setattr(outcome, table, None)

    def _derive_all(self) -> None:
        client = connect(self._settings.clickhouse)
        ledger = Ledger(client, self._settings.worker.group)
        while True:
            with self._news:
                while not self._written and not self._stop.is_set() and not self._writing_over:
                    self._news.wait(1.0)
                if self._stop.is_set() or (self._writing_over and not self._written):
                    return
                works = list(self._written)
                self._written.clear()
            self._derive(works, client, ledger)

    def _derive(self, works: list[Work], client: Client, ledger: Ledger) -> None:
        """Steps 4 and 5 for ``works``, all of which are written."""
        started = time.perf_counter()
        self._fail.reach("derive.before")
        # Evidence of kiosks touches no key (rule 17): a batch of nothing else has nothing to derive.
        batches = [w.outcome.batch.id for w in works if any(r.accepted and r.topic != EVIDENCE for r in w.ranges)]
        if batches:
            self._patiently(
                lambda: derive(client, batches, lambda: self._fail.reach("derive.current_written")),
                "deriving current state",
            )
        self._fail.reach("derive.counts_written")
        metrics.STEP_SECONDS.labels(step="derive").observe(time.perf_counter() - started)
        ranges = [r for w in works for r in w.ranges]
        self._patiently(lambda: self._guard.check(ledger, ranges), "checking the epoch")
        self._patiently(
            lambda: ledger.write("DONE", ranges, f"{works[0].outcome.batch.id}:{len(works)}:DONE"),
            "writing the ledger",
        )
        self._fail.reach("done.written")
        now = time.time()
        metrics.BATCHES.inc(len(works))
        for work in works:
            metrics.EVENT_AGE_SECONDS.labels(stage="current").observe(max(0.0, now - work.oldest_ms / 1000))
        self._committable.extend((r.topic, r.partition, r.last + 1) for r in ranges)
        with self._news:
            self._in_flight -= len(works)
            self._news.notify_all()
