"""What each shape puts on Kafka, and the answer key to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from confluent_kafka import Producer

from benchmarks import encoding
from benchmarks.answer_key import Counts, Key, Marks
from benchmarks.nation import DAY, GROUP_SIZE, GROUPS, PUPILS, Nation
from rollcall.errors import UsageError
from rollcall.settings import KafkaSettings
from schemas import topics

__all__ = ["MIS", "REGISTER", "Registers", "Repull", "Sender", "registers", "repull"]

REGISTER, MIS = "attendance.register.v1", "attendance.mis.v1"
#: How often each of CODES occurs: about 92 % present, 2 % late (domain facts 1.3).
_SHARES = np.array([0.91, 0.0, 0.02, 0.035, 0.012, 0.005, 0.01, 0.008])
_PRESENT, _PRESENT_PM, _LATE = 0, 1, 2
#: 09:00 of the measured day, ms since 1970; pulls are an hour apart.
_MORNING = DAY * 86_400_000 + 9 * 3_600_000
_HOUR = 3_600_000
#: Messages encoded at a time.
_CHUNK = 20_000
_PULLS = 4


class Sender:
    """Puts encoded messages on a topic, keyed by URN, and counts what Kafka refuses."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._producer = Producer(
            {
                **kafka.client_config(),
                **topics.PRODUCER,
                "linger.ms": 5,
                "batch.size": 1 << 20,
                "queue.buffering.max.messages": 200_000,
                "queue.buffering.max.kbytes": 512 << 10,
            }
        )
        self.refused = 0

    def send(self, topic: str, encoded: encoding.Encoded, schools: npt.NDArray[Any]) -> None:
        """Hand messages over, waiting while the queue is full."""
        data = encoded.data.tobytes()
        bounds = encoded.offsets.tolist()
        for i, school in enumerate(schools.tolist()):
            key = str(100_000 + school).encode()
            while True:
                try:
                    self._producer.produce(
                        topic, key=key, value=data[bounds[i] : bounds[i + 1]], on_delivery=self._delivered
                    )
                    break
                except BufferError:
                    self._producer.poll(0.05)
            if i % 1_000 == 0:
                self._producer.poll(0)

    def flush(self) -> None:
        """Wait until Kafka has acknowledged everything."""
        while self._producer.flush(10.0):
            pass

    def poll(self) -> None:
        """Take acknowledgements in."""
        self._producer.poll(0)

    def _delivered(self, error: Any, _: Any) -> None:
        if error is not None:
            self.refused += 1


@dataclass(slots=True)
class Registers:
    """Complete registers of 30 in random order, each group of a school once a session: every mark is new."""

    nation: Nation
    number: npt.NDArray[Any]
    codes: npt.NDArray[np.uint8]
    late: npt.NDArray[np.int16]
    topic: str = REGISTER
    submitted: npt.NDArray[Any] = field(init=False)

    def __post_init__(self) -> None:
        self.submitted = _MORNING + np.arange(len(self.number))

    @property
    def school(self) -> npt.NDArray[Any]:
        """School of each register."""
        return np.asarray(self.number // (GROUPS * 2))

    def encoded(self, schema_id: int, first: int, last: int) -> encoding.Encoded:
        """Registers ``first`` to ``last`` - 1."""
        span = slice(first, last)
        return encoding.registers(
            np.arange(first, last),
            self.school[span],
            self.number[span] // 2 % GROUPS,
            self.number[span] % 2 + 1,
            self.submitted[span],
            self.codes[span],
            self.late[span],
            schema_id=schema_id,
            scheme=self.nation.scheme,
            width=self.nation.ref_width,
        )

    def chunks(self, schema_id: int) -> Iterator[tuple[encoding.Encoded, npt.NDArray[Any]]]:
        """All messages, some thousands at a time, with their schools."""
        for first in range(0, len(self.number), _CHUNK):
            last = min(first + _CHUNK, len(self.number))
            yield self.encoded(schema_id, first, last), self.school[first:last]

    @property
    def messages(self) -> int:
        """Messages in all."""
        return len(self.number)

    @property
    def marks(self) -> int:
        """Marks in all."""
        return len(self.number) * GROUP_SIZE

    def key(self, chosen: npt.NDArray[Any] | None = None) -> Key:
        """The answer to all registers, or to those of the schools ``chosen``."""
        rows = np.arange(len(self.number)) if chosen is None else np.flatnonzero(np.isin(self.school, chosen))
        number = self.number[rows]
        first = number // (GROUPS * 2) * PUPILS + number // 2 % GROUPS * GROUP_SIZE
        marks = Marks(
            pupil=(first[:, None] + np.arange(GROUP_SIZE)).ravel(),
            session=np.repeat(number % 2 + 1, GROUP_SIZE),
            code=self.codes[rows].ravel(),
            late=self.late[rows].ravel(),
            asserted=np.repeat(self.submitted[rows], GROUP_SIZE),
        )
        return Key(marks, marks, Counts(len(rows), len(marks), len(marks), 0))


def registers(nation: Nation, marks: int, seed: int) -> Registers:
    """A load of ``marks`` marks. Raises UsageError when the nation has no more sessions for so many."""
    count, possible = marks // GROUP_SIZE, nation.schools * GROUPS * 2
    if not 0 < count <= possible:
        raise UsageError(f"{nation.schools} schools give 30 to {possible * GROUP_SIZE} marks a day, not {marks}")
    rng = np.random.default_rng(seed)
    number = rng.permutation(possible)[:count]
    codes = _codes(rng, (count, GROUP_SIZE))
    codes[(codes == _PRESENT) & (number[:, None] % 2 == 1)] = _PRESENT_PM
    late = np.where(codes == _LATE, rng.integers(1, 30, codes.shape), -1).astype(np.int16)
    return Registers(nation, number, codes, late)


@dataclass(slots=True)
class Repull:
    """Pulls of the same schools an hour apart, a complete page of 500 a school: most marks are as they were."""

    nation: Nation
    school: npt.NDArray[Any]
    codes: list[npt.NDArray[np.uint8]]
    modified: list[npt.NDArray[np.int64]]
    changed: list[npt.NDArray[np.bool_]]
    topic: str = MIS

    def chunks(self, schema_id: int) -> Iterator[tuple[encoding.Encoded, npt.NDArray[Any]]]:
        """All messages, pull after pull, some at a time, with their schools."""
        step = max(1, _CHUNK * GROUP_SIZE // 500)
        for pull, (codes, modified) in enumerate(zip(self.codes, self.modified, strict=True)):
            order = np.random.default_rng(pull).permutation(self.school)
            for first in range(0, len(order), step):
                schools = order[first : first + step]
                yield (
                    encoding.pages(
                        schools,
                        codes,
                        modified,
                        pull=pull,
                        taken_at=_MORNING + pull * _HOUR,
                        schema_id=schema_id,
                        scheme=self.nation.scheme,
                        width=self.nation.ref_width,
                    ),
                    schools,
                )

    @property
    def messages(self) -> int:
        """Messages in all."""
        return len(self.school) * len(self.codes)

    @property
    def marks(self) -> int:
        """Marks in all."""
        return self.messages * 2 * encoding.PAGE_PUPILS

    def key(self, chosen: npt.NDArray[Any] | None = None) -> Key:
        """The answer to all pulls, or to those of the schools ``chosen``."""
        schools = self.school if chosen is None else np.intersect1d(self.school, chosen)
        pulls = [self._marks(pull, schools) for pull in range(len(self.codes))]
        news = [marks.where(self.changed[i][schools].ravel()) for i, marks in enumerate(pulls)]
        columns = ("pupil", "session", "code", "late", "asserted")
        history = Marks(*(np.concatenate([getattr(marks, name) for marks in news]) for name in columns))
        messages = len(schools) * len(pulls)
        marks = messages * 2 * encoding.PAGE_PUPILS
        return Key(history, pulls[-1], Counts(messages, marks, len(history), marks - len(history)))

    def _marks(self, pull: int, schools: npt.NDArray[Any]) -> Marks:
        place = np.arange(2 * encoding.PAGE_PUPILS)
        n = len(schools) * len(place)
        return Marks(
            pupil=(schools[:, None] * PUPILS + place // 2).ravel(),
            session=np.tile(place % 2 + 1, len(schools)),
            code=self.codes[pull][schools].ravel(),
            late=np.full(n, -1, np.int16),
            asserted=self.modified[pull][schools].ravel(),
        )


def repull(nation: Nation, marks: int, seed: int, unchanged: float) -> Repull:
    """Four pulls with ``marks`` marks in all, of which the share ``unchanged`` is as the pull before had it.

    The first pull is all new, so the later three repeat ``unchanged * 4 / 3`` of theirs: 0.73 is 97.3 % of a pull.
    Raises UsageError when there are not so many schools, or a share that cannot be.
    """
    schools = marks // (_PULLS * 2 * encoding.PAGE_PUPILS)
    if not 0 < schools <= nation.schools or not 0 <= unchanged <= 0.75:
        raise UsageError(f"{marks} marks in four pulls with {unchanged:.0%} unchanged cannot be made")
    rng = np.random.default_rng(seed)
    shape = (schools, 2 * encoding.PAGE_PUPILS)
    codes = [_codes(rng, shape)]
    codes[0][:, 1::2] = np.where(codes[0][:, 1::2] == _PRESENT, _PRESENT_PM, codes[0][:, 1::2])
    modified = [(_MORNING - rng.integers(0, _HOUR, shape)).astype(np.int64)]
    changed = [np.ones(shape, np.bool_)]
    for pull in range(1, _PULLS):
        news = rng.random(shape) >= unchanged * _PULLS / (_PULLS - 1)
        # Another code of I, N, V, M, C than the one that stands: these read the same in AM and PM.
        other = 3 + (np.maximum(codes[-1], 3) - 3 + rng.integers(1, 5, shape)) % 5
        codes.append(np.where(news, other, codes[-1]).astype(np.uint8))
        at = _MORNING + pull * _HOUR - rng.integers(1, _HOUR, shape)
        modified.append(np.where(news, at, modified[-1]).astype(np.int64))
        changed.append(news)
    return Repull(nation, np.arange(schools), codes, modified, changed)


def _codes(rng: np.random.Generator, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    return rng.choice(len(_SHARES), shape, p=_SHARES / _SHARES.sum()).astype(np.uint8)


def publish(load: Registers | Repull, sender: Sender, schema_id: int, tell: Callable[[str], None]) -> None:
    """Put a whole load on Kafka. Raises UsageError when Kafka took less than that."""
    started = time.perf_counter()
    for encoded, schools in load.chunks(schema_id):
        sender.send(load.topic, encoded, schools)
    sender.flush()
    if sender.refused:
        raise UsageError(f"Kafka refused {sender.refused} messages of the load")
    tell(f"{load.messages:,} messages, {load.marks:,} marks on Kafka in {time.perf_counter() - started:.1f} s")
