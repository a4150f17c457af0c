"""The MIS of a rehearsed strike day: the estate's, with the trouble of the hour, and what it served is remembered."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from connectors.estate.estate import Estate
from connectors.estate.wonde_server import WondeServer
from rollcall.cli.scenarios.strike_judge import Told
from rollcall.domain.clock import now

__all__ = ["TROUBLES", "Hours", "StrikeServer"]

#: What may hold up a school at a cut. broken: answers 500 for ever; failing: 400; refused: 403; silent: never answers;
#: slow: answers when the deadline has passed.
TROUBLES = ("refused", "failing", "broken", "silent", "slow")
_OF_SCHOOL = re.compile(r"/schools/(?P<school>[A-Za-z0-9]+)/(?P<marks>attendance/session)?")


@dataclass
class Hours:
    """The trouble of one cut: kind by the MIS's id of the school. late: slow schools may answer now.

    reached: the school at which the puller dies is being asked; killed: it may answer.
    """

    of: dict[str, str] = field(default_factory=dict)
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

    def _hour(self) -> Hours:
        at = now()
        return next((hour for begins, hour in reversed(self._hours) if begins <= at), Hours())

    def answer(self, path: str, query: dict[str, str], authorization: str) -> tuple[int, dict[str, str], Any]:
        match = _OF_SCHOOL.search(path)
        school = "" if match is None else match["school"]
        hour = self._hour()
        kind = hour.of.get(school)
        if kind == "offline":
            return 503, {}, {"error": "snow"}
        if match is None or match["marks"] is None:
            return super().answer(path, query, authorization)
        if kind in ("refused", "failing", "broken"):
            return {"refused": 403, "failing": 400, "broken": 500}[kind], {}, {"error": "strike"}
        if kind == "silent":
            self.ended.wait()
        elif kind == "slow":
            hour.late.wait()
        elif kind == "dies":
            hour.reached.set()
            hour.killed.wait()
        with self.estate.lock:
            tick = max(self.estate.played)
        answer = super().answer(path, query, authorization)
        self.told.append(Told(school, now(), tick))
        return answer

    def close(self) -> None:
        self.ended.set()
        super().close()
