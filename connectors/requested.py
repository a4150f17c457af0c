"""Does what pull requests ask for: those of a batch side by side, by the pulls that `rollcall pull` makes too.

1. Requests that are none of this installation's, and those that are worth nothing any more, are left.
2. Older requests of a school fold into the newest (`pull_requests.fold`).
3. Each source is looked up once; its schools are pulled side by side, `Plan.at_once` of them, within the part of its
   rate limit that falls to this process.
4. Every request has an answer. What failed stays undone until the next tick asks: its cursor did not move.

One school is pulled by one process at a time. Kafka gives its partition to one; whoever has lost the partition and
still pulls is waited for, by a claim beside the school's cursor. Killed anywhere, the requests are read again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

import structlog

from connectors.contract import Source
from connectors.files import Claim
from connectors.pull_requests import Folded, PullRequest, fold, installation_of
from connectors.runner import Outcome, Pulled
from connectors.source_pulls import Parts, Plan, SourcePulls, state_folder
from rollcall.domain.clock import now
from rollcall.errors import ConfigError, RollcallError

__all__ = ["Answer", "Requested"]

log = structlog.get_logger()

#: How long a process that has lost a school and still pulls it is waited for (s), and between two looks.
_PATIENCE_SECONDS, _LOOK_SECONDS = 300.0, 0.1


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one request. folded: a newer one of the school did it too. expired: worth nothing any more.
    elsewhere: of another installation. pulled: what the pull gave, where there was one."""

    request: PullRequest
    outcome: Outcome | Literal["folded", "expired", "elsewhere"]
    why: str = ""
    pulled: Pulled | None = None


@dataclass
class Requested:
    """The pulls of one process that shares an installation's schools with others. Close it with `close`."""

    parts: Parts
    plan: Plan
    _opened: dict[str, SourcePulls] = field(default_factory=dict)

    async def pull(self, requests: Iterable[PullRequest], among: float) -> list[Answer]:
        """Do all of them, and return an answer for each. among: the part of the schools that fall to this process.

        Raises nothing for a request that fails.
        """
        ours, at = installation_of(self.parts.settings), now()
        answers: list[Answer] = []
        left: list[PullRequest] = []
        for one in requests:
            if one.installation != ours:
                answers.append(Answer(one, "elsewhere"))
            elif one.expires_at is not None and one.expires_at <= at:
                answers.append(Answer(one, "expired"))
            else:
                left.append(one)
        by_source: dict[str, list[Folded]] = {}
        for folded in fold(left):
            by_source.setdefault(folded.request.source, []).append(folded)
            answers += [Answer(older, "folded") for older in folded.older]
        done = await asyncio.gather(*(self._source(name, folded, among) for name, folded in by_source.items()))
        return [*answers, *(answer for some in done for answer in some)]

    async def close(self) -> None:
        """Close every connection, and let another process pull these sources alone."""
        for pulls in self._opened.values():
            await pulls.close()
        self._opened.clear()

    async def _source(self, name: str, folded: Sequence[Folded], among: float) -> list[Answer]:
        pulls = self._opened.setdefault(name, SourcePulls(name, self.parts, self.plan))
        pulls.among = among
        asked = [one.request for one in folded]
        try:
            sources, failing = await pulls.schools()
        except (RollcallError, OSError) as error:
            log.error("source_failed", connector=name, why=str(error))
            return [Answer(one, "failed", str(error)) for one in asked]
        except Exception as error:
            log.error("source_broken", connector=name, exc_info=error)
            why = f"unforeseen: {type(error).__name__}; the log says where"
            return [Answer(one, "failed", why) for one in asked]
        known = {(one.id, one.urn): one for one in sources}
        lost = {(one.source.id, one.source.urn): one for one in failing}
        schools: dict[tuple[str, int], list[PullRequest]] = {}
        for one in asked:
            schools.setdefault((one.school, one.urn), []).append(one)
        done = await asyncio.gather(
            *(self._school(pulls, known.get(place), lost.get(place), some) for place, some in schools.items())
        )
        return [answer for some in done for answer in some]

    async def _school(
        self, pulls: SourcePulls, source: Source | None, lost: Pulled | None, requests: Sequence[PullRequest]
    ) -> list[Answer]:
        """One school's pulls, one after the other."""
        if lost is not None:
            return [Answer(one, lost.outcome, lost.why, lost) for one in requests]
        if source is None:
            why = f"it is not among the schools of {pulls.name} that are pulled today"
            return [Answer(one, "stopped", why) for one in requests]
        answers = []
        for one in requests:
            try:
                async with self._alone(pulls.name, source):
                    (pulled,) = await pulls.pull(
                        [source], window=one.window, what=one.what, snapshot=one.snapshot, tick=one.tick
                    )
            except (RollcallError, OSError) as error:
                pulled = Pulled(source, "failed", str(error))
            answers.append(Answer(one, pulled.outcome, pulled.why, pulled))
        return answers

    @asynccontextmanager
    async def _alone(self, name: str, source: Source) -> AsyncIterator[None]:
        """No other process of this installation pulls the school meanwhile. Raises ConfigError when one does not end.

        The end of a process, however it comes, gives its claims back.
        """
        file = state_folder(self.parts.settings, name) / f"{source.id}.pulled"
        tries = round(_PATIENCE_SECONDS / _LOOK_SECONDS)
        for _ in range(tries):
            with Claim(file, patience=0) as ours:
                if ours:
                    yield
                    return
            await asyncio.sleep(_LOOK_SECONDS)
        raise ConfigError(f"another process still pulls this school of {name}, for {_PATIENCE_SECONDS:.0f} s")
