"""Sending messages of the archive again: the marks of a range that no table holds any more, and nothing else.

Which those are is asked before anything is sent (streams/archive_missing.py), so that a dry run knows them too. What is
sent names the first delivery (streams/replay_of.py): it is the mark it would have been, with its version and its clock
capped by its first arrival, and sent twice it counts once (streams/replays.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from clickhouse_connect.driver.client import Client

from rollcall.failpoints import FailPoints
from rollcall.settings import Settings
from sinks.archive_range import Message, again
from sinks.quarantine_trail import ARCHIVE_RUN, OF_THE_MESSAGE, Chosen, new_run, note_sent
from streams import archive_missing, replay_of
from streams.archive_missing import Missing
from streams.replaying import Again, Sender

__all__ = ["send"]

#: Messages that are sent, acknowledged and noted together.
_AT_ONCE = 100


def send(
    settings: Settings, client: Client, missing: Sequence[Missing], *, by: str, run: str = "",
    fail: FailPoints | None = None,
) -> str:  # fmt: skip
    """Send what is missing, in its order; returns the run when Kafka has it all, noted message by message.

    Raises KafkaError when Kafka does not take it. Killed anywhere, the same range chosen and sent again loses nothing
    and counts nothing twice. What an erasure took out meanwhile is not sent.
    """
    fail, run = fail or FailPoints(""), run or new_run(ARCHIVE_RUN)
    if not missing:
        return run
    sender = Sender(settings)
    for start in range(0, len(missing), _AT_ONCE):
        some = missing[start : start + _AT_ONCE]
        stored = again(client, [one.place for one in some])
        some = [one for one in some if one.place in stored]
        fail.reach("replay.read")
        places = sender.send([_again(one, stored[one.place], run, by) for one in some])
        fail.reach("replay.sent")
        chosen = [Chosen(one.topic, *one.first, (OF_THE_MESSAGE,)) for one in some]
        note_sent(client, list(zip(chosen, places, strict=True)), run, by)
        fail.reach("replay.noted")
    return run


def _again(one: Missing, stored: Message, run: str, by: str) -> Again:
    before = archive_missing.replay(stored)
    arrived_ms = stored.arrived_ms if before is None else before.arrived_ms
    said = replay_of.Replay(*one.first, one.items, arrived_ms, run, by, lost=one.lost)
    return Again(one.topic, stored.key, stored.value, said)
