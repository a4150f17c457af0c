"""The MIS of a rehearsed strike day: the estate's, with the trouble of the hour, and what it served is remembered."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from datetime import datetime

from connectors.estate.estate import Estate
from connectors.estate.server import Answer
from connectors.estate.wonde_server import WondeServer
from rollcall.cli.scenarios.strike_known import Told
from rollcall.domain.clock import now

__all__ = ["TROUBLES", "Hours", "StrikeServer"]

#: What may hold up a school at a cut. broken: answers 500 for ever; failing: 400; refused: 403; silent: never answers;
#: slow: is busy (429) until the deadline, and answers when it has passed; halting: gives two pages of marks, and 400
#: for whatever comes after; stalling: gives two pages, and never anything after.
TROUBLES = ("refused", "failing", "broken", "halting", "silent", "stalling", "slow")
#: So many pages come of those that break off, and so many parts of the school's marks are a page there.
_PAGES, _PARTS = 2, 5
#: A connection on which nothing is said ends after this (s): later than anybody waits for it (`connectors.http`), so
#: that it looks like silence, and a school that is silent for an hour holds one thread and not a hundred.
_GONE_S = 45.0
#: Who is busy longer than this has the client come again then (s); what is left is waited for with the question open.
_BUSY_S = 15.0
_MARKS, _GONE = "attendance/session", "deletions"
_OF_SCHOOL = re.compile(rf"/schools/(?P<school>[A-Za-z0-9]+)/(?P<what>{_MARKS}|attendance/lesson|{_GONE})?")


@dataclass
class Hours:
    """The trouble of one cut: kind by the MIS's id of the school. due: its deadline. late: slow schools may answer now.

    reached: the school at which the puller dies is being asked; killed: it may answer.
    """

    of: dict[str, str] = field(default_factory=dict)
    due: datetime | None = None
    late: threading.Event = field(default_factory=threading.Event)
    killed: threading.Event = field(default_factory=threading.Event)
    reached: threading.Event = field(default_factory=threading.Event)


class StrikeServer(WondeServer):
    """The estate's MIS with the trouble of the hour. told: what it served of a school's day, and when."""

    def __init__(self, estate: Estate, token: str) -> None:
        self._hours: list[tuple[datetime, Hours]] = []
        self.told: list[Told] = []
        self.ended = threading.Event()
        super().__init__(estate, "127.0.0.1", 0, token)

    def begin(self, hour: Hours, at: datetime) -> None:
        """From this instant on the trouble is that of this hour. What is asked before it, of a cut that is still
        open, is answered as that cut is."""
        self._hours.append((at, hour))

    def _hour(self, at: datetime) -> Hours:
        return next((hour for begins, hour in reversed(self._hours) if begins <= at), Hours())

    def answer(self, path: str, query: dict[str, str], authorization: str) -> Answer:
        match = _OF_SCHOOL.search(path)
        school, what = ("", None) if match is None else (match["school"], match["what"])
        asked = now()
        hour = self._hour(asked)
        if hour.of.get(school) == "offline":
            return 503, {}, {"error": "snow"}
        if what is None:
            return super().answer(path, query, authorization)
        trouble = self._trouble_of(school, what, hour, query)
        if trouble is not None:
            return trouble
        answer, tick = self._at_one_tick(path, query, authorization)
        if what != "attendance/lesson" and answer[0] == 200:
            records = tuple(one["id"] for one in answer[2]["data"])
            self.told.append(Told(school, asked, now(), tick, what == _GONE, records))
        return answer

    def _trouble_of(self, school: str, what: str, hour: Hours, query: dict[str, str]) -> Answer | None:
        """What is answered instead; None for no trouble, or when it has been waited for. Of the schools that break off
        the pages are made small. Raises ConnectionError when the connection ends without an answer."""
        kind = hour.of.get(school)
        if kind in ("refused", "failing", "broken"):
            return {"refused": 403, "failing": 400, "broken": 500}[kind], {}, {"error": "strike"}
        if kind in ("halting", "stalling"):
            size = max(1, len(self.estate.records.get(self.schools[school].urn, {})) // _PARTS)
            if what == _MARKS and int(query.get("cursor", "-1")) + 1 < _PAGES * size:
                query["per_page"] = str(size)
                return None
            if kind == "halting":
                return 400, {}, {"error": "strike"}
        if kind in ("silent", "stalling"):
            self.ended.wait(_GONE_S)
            raise ConnectionAbortedError
        if kind == "slow" and what == _MARKS and not hour.late.is_set():
            left = 0.0 if hour.due is None else (hour.due - now()).total_seconds()
            if left > _BUSY_S:
                return 429, {"Retry-After": str(round(left))}, {"error": "busy"}
            hour.late.wait()
        if kind == "dies" and what == _MARKS:
            hour.reached.set()
            hour.killed.wait()
        return None

    def _at_one_tick(self, path: str, query: dict[str, str], authorization: str) -> tuple[Answer, int]:
        """An answer, and the estate's hour all of it is of."""
        while True:
            tick = self._tick()
            answer = super().answer(path, query, authorization)
            if tick == self._tick():
                return answer, tick

    def _tick(self) -> int:
        with self.estate.lock:
            return max(self.estate.played)

    def close(self) -> None:
        self.ended.set()
        super().close()
