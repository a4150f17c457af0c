"""The header of a replay: of which delivery a message is sent again, and which of its marks. Written and read in this
file alone.

A replay is the stored message, byte for byte, on its topic, with its key, and with one header `replay_of` (JSON). It
comes out of quarantine, for entries that are open there, or out of the archive, for marks that no table holds any more:

    topic_id, partition, offset   where it was first delivered
    items                         the marks (from 0, then deletions) that are sent again; [-1] is the whole message
    arrived_ms                    when it first arrived, by Kafka's clock (ms since 1970): rule 6 caps by this
    run, by                       which run sent it, and who; ARCHIVE_RUN begins the name of one out of the archive
    lost                          only where there are any: places [topic_id, partition, offset] of earlier replays of
                                  these items whose marks are gone since, so that they do not count as taken
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sinks.quarantine_trail import ARCHIVE_RUN

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
    lost: tuple[tuple[str, int, int], ...] = ()

    @property
    def whole(self) -> bool:
        """The whole message is sent again, not some of its items."""
        return self.items == (WHOLE,)

    @property
    def from_archive(self) -> bool:
        """What it brings was no entry of quarantine: what is refused of it is one now."""
        return self.run.startswith(ARCHIVE_RUN)


def write(replay: Replay) -> list[tuple[str, bytes]]:
    """The headers of the message that is sent again."""
    said: dict[str, Any] = {
        "topic_id": replay.topic_id, "partition": replay.partition, "offset": replay.offset,
        "items": list(replay.items), "arrived_ms": replay.arrived_ms, "run": replay.run, "by": replay.by,
    }  # fmt: skip
    if replay.lost:
        said["lost"] = [list(place) for place in replay.lost]
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
    return Replay(
        **{name: said[name] for name in _FIELDS if name not in ("items", "lost")}, items=tuple(said["items"]),
        lost=tuple((topic_id, partition, offset) for topic_id, partition, offset in said.get("lost", ())),
    )  # fmt: skip


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


_PLACE = (_text, _number(65_535), _number(2**63 - 1))


def _places(value: Any) -> bool:
    return value is None or (
        isinstance(value, list)
        and all(
            isinstance(one, list)
            and len(one) == 3
            and all(is_right(part) for is_right, part in zip(_PLACE, one, strict=True))
            for one in value
        )
    )


_FIELDS = {
    "topic_id": _PLACE[0], "partition": _PLACE[1], "offset": _PLACE[2], "items": _items,
    "arrived_ms": _number(2**53), "run": _text, "by": _text, "lost": _places,
}  # fmt: skip
