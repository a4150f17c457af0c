"""Where a message stands, and statements about messages at some places."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from sinks.statements import load

__all__ = ["Place", "about", "parameters"]


class Place(NamedTuple):
    """Where a message stands, for ever: a topic that is made anew has another UUID."""

    topic_id: str
    partition: int
    offset: int


def about(statement: str) -> str:
    """The text of a statement, with places.sql where it names `places`; it is asked with `parameters`."""
    return load(statement).replace("{places}", load("places"))


def parameters(places: Iterable[Place]) -> dict[str, Any]:
    """The parameters of places.sql."""
    ordered = sorted(places)
    return {
        "topic_ids": [one.topic_id for one in ordered],
        "partitions": [one.partition for one in ordered],
        "offsets": [one.offset for one in ordered],
    }
