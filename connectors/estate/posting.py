"""Posting registers to the ingest API: at least once, many schools at a time, each school in its own order."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import aiohttp

from rollcall.errors import SourceError

if TYPE_CHECKING:
    from connectors.estate.estate import Estate
    from connectors.estate.messages import Submission

__all__ = ["GIVE_UP_SECONDS", "post_all"]

#: A submission that is not taken for so long is given up, with an error.
GIVE_UP_SECONDS = 180.0
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 2.0


async def post_all(
    estate: Estate,
    submissions: Sequence[Submission],
    ingest_url: str,
    keys: Mapping[str, str],
    concurrency: int = 16,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Post the submissions; returns how many were acknowledged. Every acknowledgement is kept in the estate.

    A request that fails unclearly (no answer, 5xx, 429) is sent again with the same id until it is answered 202: it may
    then be in Kafka twice, which is a repeat like any other.
    Raises SourceError for a 4xx, or when one submission is not taken for GIVE_UP_SECONDS.
    """
    by_school: dict[int, list[Submission]] = defaultdict(list)
    for submission in submissions:
        by_school[submission.urn].append(submission)
    room = asyncio.Semaphore(concurrency)
    timeout, connector = aiohttp.ClientTimeout(total=30.0), aiohttp.TCPConnector(limit=concurrency)
    async with aiohttp.ClientSession(ingest_url, timeout=timeout, connector=connector) as http:

        async def one_school(own: list[Submission]) -> None:
            async with room:
                for submission in own:
                    await _post(estate, http, submission, keys)
                    if progress is not None:
                        progress(1)

        async with asyncio.TaskGroup() as group:
            for own in by_school.values():
                group.create_task(one_school(own))
    return len(submissions)


async def _post(estate: Estate, http: aiohttp.ClientSession, submission: Submission, keys: Mapping[str, str]) -> None:
    from connectors.estate.estate import Acknowledged  # a cycle of types only

    submission.stamp(datetime.now(UTC))
    body = submission.body()
    headers = {"Authorization": f"Bearer {keys[submission.source]}"}
    wait, began = _FIRST_WAIT, asyncio.get_running_loop().time()
    while True:
        status = 0
        said: dict[str, Any] = {}
        try:
            async with http.post("/v1/registers", json=body, headers=headers) as answer:
                status = answer.status
                said = await answer.json(content_type=None) if status == 202 else {}
        except (aiohttp.ClientError, TimeoutError, ValueError):
            status = 0  # no answer, or one that broke off
        if status == 202:
            estate.acknowledged.append(Acknowledged(submission, said["topic"], said["partition"], said["offset"]))
            return
        if 0 < status < 500 and status != 429:
            raise SourceError(f"the ingest API refuses a register of school {submission.urn} with status {status}")
        if asyncio.get_running_loop().time() - began > GIVE_UP_SECONDS:
            raise SourceError(f"the ingest API has not taken a register of school {submission.urn} for minutes")
        await asyncio.sleep(wait * random.uniform(0.5, 1.0))
        wait = min(_LONGEST_WAIT, wait * 2)
