"""Behind the polling thread: two threads write batches, one derives them. Steps 2 to 5 of the ledger's walk.

2 PENDING is acknowledged before any row of the batch is inserted.   3 history, quarantine, receipts.
4 derive: current marks of each batch at once, the counts of many    5 DONE. Then the polling thread may commit (6).
A batch that fails stays PENDING; whoever owns its partitions next recovers it.

Two batches may be on their way into the history at once, for the engine takes in a block with one thread. What follows
keeps their order: a batch counts as written when those before it are, since a first mark is not derived again, and who
derives the second must see it.

Counts are made from all marks of each session touched, so they cost the more the later the day and the fewer batches
they are made for: they wait a little, and four times as long as they took while batches keep coming.
"""

from __future__ import annotations

import contextlib
import math
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import structlog
from clickhouse_connect.driver.client import Client

from rollcall import metrics
from rollcall.failpoints import FailPoints
from rollcall.settings import Settings
from sinks.clickhouse import connect, patiently
from sinks.derive import derive_counts, derive_current, latest_publication
from sinks.ledger import Ledger, LedgerRange
from sinks.writer import Writer
from streams.frames import EVIDENCE
from streams.process import Outcome

__all__ = ["EPOCH_HOLDS_S", "Fenced", "Guard", "Pipeline", "Work"]

_log = structlog.get_logger()
_T = TypeVar("_T")

#: How long an answer about epochs holds (s). Whoever was stopped for longer asks again before it writes.
EPOCH_HOLDS_S = 0.5
#: Seconds from one making of counts to the next: at least, and at most. In between, so many times as long as it took: a
#: fifth of a thread makes counts, however late the day.
_COUNTS_EVERY_S, _COUNTS_AT_MOST_S, _COUNTS_APART = 0.5, 5.0, 4
#: Batches that are written at once. One leaves a quarter of two cores idle in a backlog (docs/performance.md).
_WRITERS = 2


class Fenced(Exception):  # noqa: N818 - a state of the world, not a fault
    """This writer no longer owns what it was about to write: nothing more may be written by it."""


class Guard:
    """Whether this writer may still write: its last good poll is recent, and nobody claimed a later epoch."""

    def __init__(self, session_timeout_s: float) -> None:
        self._limit = session_timeout_s
        self._polled = time.monotonic()
        self._revoked = threading.Event()
        self.epochs: dict[tuple[str, int], int] = {}
        self._asked: dict[tuple[str, int], float] = {}

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
        now = time.monotonic()
        places = {(r.topic_id, r.partition) for r in ranges}
        if all(now - self._asked.get(place, -EPOCH_HOLDS_S) < EPOCH_HOLDS_S for place in places):
            return
        latest = ledger.epochs(list(self.epochs))
        for place in places:
            if latest.get(place, 0) != self.epochs.get(place, 0):
                raise Fenced(f"partition {place[1]} was claimed by a later epoch")
        self._asked.update(dict.fromkeys(places, now))


@dataclass(slots=True)
class Work:
    """A processed batch on its way to the tables. ``pending``: the PENDING insert, begun while it was decoded."""

    outcome: Outcome
    ranges: list[LedgerRange]
    pending: Future[None]
    oldest_ms: int
    #: Its place among the batches handed over, from 0.
    number: int = 0


class Pipeline:
    """The writing threads and the deriving thread of one assignment."""

    def __init__(self, settings: Settings, guard: Guard, fail: FailPoints) -> None:
        self._settings, self._guard, self._fail = settings, guard, fail
        self._to_write: queue.Queue[Work | None] = queue.Queue(maxsize=1)
        self._handed_over = 0
        self._written: deque[Work] = deque()
        self._written_early: dict[int, Work] = {}
        self._written_up_to = 0
        #: When the last batch was written (time.monotonic).
        self._written_at = -math.inf
        self._news = threading.Condition()
        self._committable: deque[tuple[str, int, int]] = deque()
        self._in_flight = 0
        self._hurry = False
        self._stop = threading.Event()
        self.failure: BaseException | None = None
        self._ledger_pool = ThreadPoolExecutor(1, thread_name_prefix="pending")
        self._pending_ledger = Ledger(connect(settings.clickhouse), settings.worker.group)
        self._threads = [
            threading.Thread(target=self._guarded, args=(body,), name=body.__name__.strip("_"), daemon=True)
            for body in (*[self._write_all] * _WRITERS, self._derive_all)
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
        """Hand a batch over; waits while one waits before it, calling ``alive``. Raises what made a thread fail."""
        with self._news:
            self._in_flight += 1
            work.number, self._handed_over = self._handed_over, self._handed_over + 1
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

    @property
    def one_waits(self) -> bool:
        """Whether a batch waits to be written behind those that are."""
        return not self._to_write.empty()

    def wait_idle(self, timeout_s: float, alive: Callable[[], None] = lambda: None) -> bool:
        """Wait until nothing is in flight; False when ``timeout_s`` passed first or a thread failed."""
        end = time.monotonic() + timeout_s
        try:
            while True:
                with self._news:
                    if self._in_flight == 0:
                        return True
                    self._hurry = True
                    self._news.notify_all()
                    self._news.wait(0.05)
                alive()
                if self.failure is not None or time.monotonic() > end:
                    return False
        finally:
            self._hurry = False

    def wait_written(self, alive: Callable[[], None]) -> None:
        """Wait until every batch handed over stands in the history. Raises what made a thread fail."""
        while self._to_write.unfinished_tasks:
            self.raise_failure()
            alive()
            time.sleep(0.002)

    def close(self) -> None:
        """Stop the threads; what is not DONE stays PENDING."""
        self._stop.set()
        with self._news:
            self._news.notify_all()
        self._end_writing()
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

    def _patiently(self, act: Callable[[], _T], what: str) -> _T:
        def waiting(away: bool) -> None:
            metrics.PAUSED_PARTITIONS.labels(reason="clickhouse_away").set(len(self._guard.epochs) if away else 0)

        return patiently(act, what=what, still_wanted=lambda: not self._stop.is_set(), on_wait=waiting)

    def _write_all(self) -> None:
        client = connect(self._settings.clickhouse)
        writer, ledger = Writer(client), Ledger(client, self._settings.worker.group)
        while (work := self._to_write.get()) is not None and not self._stop.is_set():
            work.pending.result()
            started = time.perf_counter()
            self._write(work, writer, ledger)
            metrics.STEP_SECONDS.labels(step="write").observe(time.perf_counter() - started)
            metrics.EVENT_AGE_SECONDS.labels(stage="history").observe(max(0.0, time.time() - work.oldest_ms / 1000))
            self._in_order(work)
            self._to_write.task_done()
        self._end_writing()

    def _in_order(self, work: Work) -> None:
        """``work`` stands in the history: it counts as written when all before it do, then those it kept waiting."""
        with self._news:
            self._written_early[work.number], self._written_at = work, time.monotonic()
            while (following := self._written_early.pop(self._written_up_to, None)) is not None:
                self._written.append(following)
                self._written_up_to += 1
            self._news.notify_all()

    def _end_writing(self) -> None:
        """Let the writing threads end: each that hears of it tells the next."""
        self._to_write.queue.clear()
        with contextlib.suppress(queue.Full):
            self._to_write.put_nowait(None)

    def _write(self, work: Work, writer: Writer, ledger: Ledger) -> None:
        """Step 3. Quarantine first of what may fail for good: a refusal that is not on record stops the partition."""
        outcome = work.outcome
        self._patiently(lambda: self._guard.check(ledger, work.ranges), "checking the epoch")
        self._fail.reach("history.before")
        token = f"{outcome.batch.id}"
        for table, point in (
            ("mark_event", "history.written"), ("mark_reassertion", None), ("quarantine_message", None),
            ("quarantine", "quarantine.written"), ("quarantine_trail", None), ("register_receipt", "receipts.written"),
        ):  # fmt: skip
            if getattr(outcome, table).num_rows:
                self._patiently(lambda t=table: writer.insert(t, getattr(outcome, t), token), f"writing {table}")  # type: ignore[misc]
            # Let go at once: with two batches on their way the rows of both would stand in memory to the end of theirs.
            setattr(outcome, table, None)
            if point is not None:
                self._fail.reach(point)

    def _derive_all(self) -> None:
        """Steps 4 and 5 of what is written: current marks as they come, counts when they are due, then DONE."""
        client = connect(self._settings.clickhouse)
        ledger = Ledger(client, self._settings.worker.group)
        uncounted: list[Work] = []
        counted_at, took = -math.inf, 0.0
        while True:
            with self._news:
                while not (self._stop.is_set() or self._written):
                    due = self._counts_due(counted_at, took) - time.monotonic()
                    if uncounted and due <= 0:
                        break
                    self._news.wait(min(due, 1.0) if uncounted else 1.0)
                if self._stop.is_set():
                    return
                works = list(self._written)
                self._written.clear()
            if works:
                self._derive_current(works, client)
                uncounted += works
            if time.monotonic() >= self._counts_due(counted_at, took):
                started = time.monotonic()
                self._count(uncounted, client, ledger)
                uncounted, counted_at = [], time.monotonic()
                took = counted_at - started

    def _counts_due(self, counted_at: float, took: float) -> float:
        """When to count again after ``counted_at``, when it took so long; sooner when no batch follows."""
        if self._hurry:
            return counted_at
        due = counted_at + min(max(_COUNTS_APART * took, _COUNTS_EVERY_S), _COUNTS_AT_MOST_S)
        if self._to_write.unfinished_tasks:
            return due
        return min(due, max(counted_at, self._written_at) + _COUNTS_EVERY_S)

    def _derive_current(self, works: list[Work], client: Client) -> None:
        """Step 4, current marks of ``works``, all of which are written. Most came alone and stand already."""
        started = time.perf_counter()
        self._fail.reach("derive.before")
        batches = _deriving(works)
        if batches:
            code_map, publication = self._patiently(
                lambda: latest_publication(client), "asking for the latest publication"
            )
            whole = [w.outcome.batch.id for w in works if w.outcome.map_version < code_map]
            choosing = [w.outcome.batch.id for w in works if w.outcome.to_choose or w.outcome.repeats_decide]
            if derived := sorted({*batches} & {*choosing, *whole}):
                self._patiently(lambda: derive_current(client, derived, whole, publication), "deriving current marks")
        self._fail.reach("derive.current_written")
        metrics.STEP_SECONDS.labels(step="derive_current").observe(time.perf_counter() - started)
        now = time.time()
        for work in works:
            metrics.EVENT_AGE_SECONDS.labels(stage="current").observe(max(0.0, now - work.oldest_ms / 1000))

    def _count(self, works: list[Work], client: Client, ledger: Ledger) -> None:
        """Step 4, counts of ``works``, whose current marks are derived; and step 5."""
        started = time.perf_counter()
        if batches := _deriving(works):
            self._patiently(lambda: derive_counts(client, batches), "deriving counts")
        self._fail.reach("derive.counts_written")
        metrics.STEP_SECONDS.labels(step="derive_counts").observe(time.perf_counter() - started)
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
            metrics.EVENT_AGE_SECONDS.labels(stage="counts").observe(max(0.0, now - work.oldest_ms / 1000))
        self._committable.extend((r.topic, r.partition, r.last + 1) for r in ranges)
        with self._news:
            self._in_flight -= len(works)
            self._news.notify_all()


def _deriving(works: list[Work]) -> list[int]:
    """Batches that touched a key: by a mark, or by a repeat. Evidence of kiosks touches none (rule 17)."""
    return [
        w.outcome.batch.id
        for w in works
        if w.outcome.repeats_decide or any(r.accepted and r.topic != EVIDENCE for r in w.ranges)
    ]
