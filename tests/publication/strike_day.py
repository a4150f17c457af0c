"""A snapshot of a day for tests of its table: cuts that are over as soon as they are told of."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from connectors.contract import Source
from connectors.snapshots.record import Asked, Ended, Recorder, folder_of, save_plan
from connectors.snapshots.schedule import Cut as ScheduledCut
from connectors.snapshots.schedule import Schedule
from rollcall.domain.clock import now
from rollcall.settings import Settings


class Day:
    """A snapshot whose cuts are over as soon as they are told of."""

    def __init__(self, settings: Settings, name: str, session_date: date, cuts: int) -> None:
        begun = now()
        self._folder = folder_of(settings, name)
        # A cut is over when we say so; the deadline is far.
        self._cuts = [ScheduledCut(f"{12 + 2 * n}:00", begun + n * timedelta(hours=2)) for n in range(cuts)]
        save_plan(settings, Schedule(name, session_date, tuple(self._cuts), timedelta(hours=1), today=session_date))

    def cut(self, number: int, answered: Any, failed: Any = (), silent: Any = ()) -> str:
        """Schools answered or failed or did neither, and the cut is over now; gives its label."""
        cut = self._cuts[number]
        with Recorder(self._folder, cut) as recorder:
            asked = [*answered, *failed]
            recorder.to_ask("classroom", [Source(str(urn), urn) for urn in (*asked, *silent)])
            for urn in asked:
                outcome: Ended = "answered" if urn in answered else "failed"
                recorder.ended(Asked("classroom", str(urn), urn, None, now(), outcome))
            recorder.over(now())
        return cut.label

    def answers_late(self, number: int, urn: int) -> None:
        """A silent school answers after the cut is over."""
        with Recorder(self._folder, self._cuts[number]) as recorder:
            recorder.ended(Asked("classroom", str(urn), urn, None, now() + timedelta(seconds=1), "late", marks=30))
