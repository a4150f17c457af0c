"""As at an instant, on marks that went the whole way: Kafka, a worker that dies in between, history, derive."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from rollcall.domain.clock import now
from rollcall.errors import UsageError
from sinks import reference
from sinks.as_at import opened
from sinks.derive import rederive
from tests.reference.conftest import applied
from tests.streams.messages import DAY, OTHER_URN, at, mark, page, record, register
from tests.streams.rig import Rig
from tests.streams.town import national

COUNTS = (
    "SELECT urn, toString(canonical_code), toUInt64(sum(marks)) FROM session_counts GROUP BY urn, canonical_code"
    " ORDER BY urn, canonical_code"
)


def known(rig: Rig, instant: datetime) -> Any:
    """Marks by school and code, as at an instant."""
    with opened(rig.client, instant, DAY, DAY, asks=[COUNTS]) as then:
        return then.query(COUNTS).result_rows


def test_the_evenings_answer_stays_whatever_the_worker_takes_in_later_dead_or_alive(rig: Rig) -> None:
    """Amendments, a deletion, a withdrawn mark, a late school and a code map come after; then a worker dies."""
    with rig.worker():
        rig.done(
            register(mark("P0", "/"), mark("P1", "N"), mark("P2", "/"), mark("P3", "X1")),
            page(record("a", "P4", "L"), record("b", "P5", "N")),
        )
        evening = now()
        first = known(rig, evening)
        urn = first[0][0]
        assert first == [(urn, "", 1), (urn, "/", 2), (urn, "L", 1), (urn, "N", 2)]
        rig.done(
            register(mark("P1", "I"), complete=False, submitted_at=at(60)),
            register(mark("P2", "-"), complete=False, submitted_at=at(61)),
            page(deletions=["b"], taken_at=at(62), complete=False),
            register(mark("P0", "/"), urn=OTHER_URN),
        )
        reference.apply(rig.client, [applied("code-map", national(2, ("X1", "I"), published_at=at(90)))])
        assert rederive(rig.client) == 1
        later = now()
    assert known(rig, evening) == first
    second = known(rig, later)
    assert second == [(urn, "/", 1), (urn, "I", 2), (urn, "L", 1), (OTHER_URN, "/", 1)]
    assert second == rig.client.query(COUNTS).result_rows

    rig.send(register(mark("P6", "/"), mark("P7", "O"), complete=False, submitted_at=at(120)))
    rig.dies_at("history.written")
    with pytest.raises(UsageError, match=r"attendance\.register\.v1/\d+, offsets \d+-\d+, in hand"):
        known(rig, now())
    assert (known(rig, evening), known(rig, later)) == (first, second), "before it was begun all is settled"
    with rig.worker():
        rig.done(register(mark("P8", "/"), complete=False, submitted_at=at(121)))
    rig.client.command("OPTIMIZE TABLE mark_event FINAL")
    assert (known(rig, evening), known(rig, later)) == (first, second)
    assert known(rig, now()) == rig.client.query(COUNTS).result_rows
    rig.check()
