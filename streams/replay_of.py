"""The header of a replay: which entries of quarantine a message is sent again for. Written and read in this file alone.

A replay is the stored message, byte for byte, on its topic, with its key, and with one header `replay_of` (JSON):

    topic_id, partition, offset   where it was first delivered
    items                         the marks (from 0, then deletions) that are sent again; [-1] is the whole message
    arrived_ms                    when it first arrived, by Kafka's clock (ms since 1970): rule 6 caps by this
    run, by                       which run sent it, and who
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["HEADER", "WHOLE", "Replay", "read", "write"]

HEADER = "replay_of"
#: As an item: the whole message.
WHOLE = -1
#: Of a header's texts, in characters; a longer one is none of ours.
_LONGEST_TEXT = 200


@dataclass(frozen=True, slots=True)
class Replay:
    """What the header says. ``trouble``: why it cannot be believed; nothing else of it is meant then."""

    topic_id: str
    partition: int
    offset: int
    items: tuple[int, ...]
    arrived_ms: int
    run: str
    by: str
    trouble: str = ""

    @property
    def whole(self) -> bool:
        """The whole message is sent again, not some of its items."""
        return self.items == (WHOLE,)


def write(replay: Replay) -> list[tuple[str, bytes]]:
    """The headers of the message that is sent again."""
    said = {
        "topic_id": replay.topic_id, "partition": replay.partition, "offset": replay.offset,
        "items": list(replay.items), "arrived_ms": replay.arrived_ms, "run": replay.run, "by": replay.by,
    }  # fmt: skip
    return [(HEADER, json.dumps(said, separators=(",", ":")).encode())]


def read(headers: Sequence[tuple[str, str | bytes | None]], arrived_ms: int) -> Replay | None:
    """The replay that a message's headers tell of, None when they tell of none.

    ``arrived_ms``: when this very message arrived. A header that cannot be believed gives a Replay with ``trouble``:
    taking such a message for one of its source's would count all its marks again.
    """
    values = [value for name, value in headers if name == HEADER]
    if not values:
        return None
    if len(values) > 1:
        return _trouble(f"the header {HEADER} is there {len(values)} times")
    try:
        said = json.loads(values[0] or b"")
    except ValueError:
        return _trouble(f"the header {HEADER} is no JSON")
    if not isinstance(said, dict):
        return _trouble(f"the header {HEADER} is no JSON object")
    wrong = [name for name, is_right in _FIELDS.items() if not is_right(said.get(name))]
    if wrong:
        return _trouble(f"the header {HEADER}: {', '.join(wrong)} missing or not what it must be")
    if said["arrived_ms"] > arrived_ms:
        return _trouble(f"the header {HEADER}: it first arrived after it was sent again")
    return Replay(**{name: said[name] for name in _FIELDS if name != "items"}, items=tuple(said["items"]))


def _trouble(why: str) -> Replay:
    return Replay("", 0, 0, (WHOLE,), 0, "", "", why)


def _number(largest: int) -> Any:
    return lambda value: type(value) is int and 0 <= value <= largest


def _text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_TEXT


def _items(value: Any) -> bool:
    if not isinstance(value, list) or not value or any(type(item) is not int for item in value):
        return False
    return value == [WHOLE] or (min(value) >= 0 and max(value) < 2**31 and len(set(value)) == len(value))


_FIELDS = {
    "topic_id": _text, "partition": _number(65_535), "offset": _number(2**63 - 1), "items": _items,
    "arrived_ms": _number(2**53), "run": _text, "by": _text,
}  # fmt: skip
