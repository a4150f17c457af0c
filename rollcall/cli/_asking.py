"""`rollcall pull --through-kafka`, and the other end of it: pulls as the pulls agent does them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from connectors.pull_requests import PullRequest
from streams.agents.pulls import Done

if TYPE_CHECKING:
    from connectors.requested import Requested
    from connectors.source_pulls import Plan
    from connectors.ticking import Asked
    from rollcall.settings import Settings

__all__ = ["ByRequest", "ask"]


class ByRequest:
    """`streams.agents.pulls.Puller`, by the pulls of the connectors."""

    def __init__(self, requested: Requested) -> None:
        self._requested = requested

    async def pull(self, records: Sequence[Mapping[str, Any]], among: float) -> list[Done]:
        """Do what the records ask for; one answer for each."""
        requests: list[PullRequest] = []
        done: list[Done] = []
        for record in records:
            try:
                requests.append(PullRequest.of(record))
            except ValueError as error:
                done.append(Done(record["source"], record["school"], "unreadable", str(error)))
        for answer in await self._requested.pull(requests, among):
            done.append(Done(answer.request.source, answer.request.school, answer.outcome, answer.why))
        return done

    async def close(self) -> None:
        """Give connections back."""
        await self._requested.close()


def ask(settings: Settings, plan: Plan, names: Sequence[str], every: float | None, as_json: bool) -> bool:
    """Ask once, or at every tick until stopped, and tell each tick of each source. Whether every school was asked."""
    import asyncio

    from connectors import ticking

    def told(asked: Asked) -> None:
        row = {
            "source": asked.name,
            "tick": asked.tick.isoformat(),
            "requests": len(asked.requests),
            "failing": [{"school": one.source.id, "urn": one.source.urn, "why": one.why} for one in asked.failing],
            "why": asked.why,
        }
        if as_json:
            typer.echo(json.dumps(row))
            return
        typer.echo(f"{asked.name} {asked.tick:%H:%M:%S}: {len(asked.requests)} asked for {asked.why}".rstrip())
        for one in asked.failing:
            typer.echo(f"  {one.source.id} ({one.source.urn}): {one.why}")

    return all(one.whole for one in asyncio.run(ticking.run(settings, plan, names=names, every=every, finished=told)))
