"""Putting an invented town on Kafka: reference data first, then day by day its registers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from connectors.code_maps import publish as publish_maps
from connectors.encoding import Encoder
from connectors.estate.published import messages
from connectors.estate.published.cells import Cell
from connectors.estate.published.town import schools
from connectors.publisher import Delivery, Publisher
from rollcall.domain.codes import NATIONAL, national_map_entries
from rollcall.settings import Settings

__all__ = ["Sent", "send"]

#: Messages handed over before their acknowledgements are looked at.
_AT_ONCE = 20_000


class Sent(NamedTuple):
    """What went out: schools, pupils, messages on topics of marks, and marks that must stand in the end and count.

    ``last``: for each topic and partition of marks, the last offset.
    """

    schools: int
    pupils: int
    messages: int
    marks: int
    last: dict[tuple[str, int], int]


def send(
    settings: Settings, cells: Sequence[Cell], *, code_map: bool = True,
    progress: Callable[[str, int], None] = lambda _what, _done: None,
) -> Sent:  # fmt: skip
    """Publish the schools, rosters and registers of the cells; returns when Kafka has everything.

    `code_map`: publish the national map first. Schools are made twice, once for their rosters and once for their
    registers, so that memory holds one of them. Raises ValueError (a cell that contradicts itself), KafkaAway,
    KafkaError, RegistryAway.
    """
    if code_map:
        publish_maps(settings, {NATIONAL: national_map_entries()}, author="published", reason="simulation")
    encoder = Encoder(settings.registry.url)
    encoder.ready()
    counts = {"schools": 0, "pupils": 0, "messages": 0}
    last: dict[tuple[str, int], int] = {}
    with Publisher(settings.kafka.client_config(), linger_ms=20, client_id="rollcall-published") as publisher:
        waiting: list[Any] = []

        def settle() -> None:
            publisher.flush(300)
            for promise in waiting:
                put: Delivery = promise.result()
                if put.offset is not None and not put.topic.startswith("reference."):
                    place = (put.topic, put.partition)
                    last[place] = max(last.get(place, -1), put.offset)
            waiting.clear()

        def put(topic: str, record: dict[str, Any]) -> None:
            waiting.append(publisher.publish(topic, str(record["urn"]).encode(), encoder.encode(topic, record)))
            if len(waiting) >= _AT_ONCE:
                settle()

        for school in schools(cells):
            for topic, record in messages.reference(school):
                put(topic, record)
            counts["schools"] += 1
            counts["pupils"] += len(school.pupils)
            progress("schools", counts["schools"])
        settle()
        for school in schools(cells):
            for day in school.days:
                for session in ("AM", "PM"):
                    for topic, record in messages.registers(school, day, session):
                        put(topic, record)
                        counts["messages"] += 1
            progress("registers", counts["messages"])
        settle()
    marks = sum(sum(day.marks.values()) for cell in cells for day in cell.days)
    return Sent(**counts, marks=marks, last=last)
