"""A school whose messages stand in several partitions: no worker sees them all, and the rule is asked all the same."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from rollcall.domain.codes import CODES
from sinks.derive import derive_counts, derive_current, derive_scattered
from sinks.verify import verify
from streams.batch import Topic
from streams.frames import EVIDENCE
from streams.memory import Memory
from tests.sinks import rows

URN = 100001
REGISTERS, PAGES, KIOSKS = (Topic(name, f"uuid-{name}", kind) for name, kind in (
    ("attendance.register.v1", "register"), ("attendance.mis.v1", "mis"), (EVIDENCE, "kiosk"),
))  # fmt: skip


def said(client: Any, *marks: dict[str, Any]) -> None:
    """What two workers write that each believe to see the first: alone, counted, not derived by the rule."""
    now = datetime.now(UTC)
    rows.insert(client, "mark_event", [{**one, "alone": True, "ingested_at": now} for one in marks])
    batches = sorted({one["batch"] for one in marks})
    derive_current(client, batches)
    derive_counts(client, batches)
    for one in marks:
        place = {"partition": one["partition"], "offset": one["offset"]}
        rows.insert(client, "register_receipt", [rows.receipt(URN, "7A", produced_at=now, **place)])


def codes(client: Any) -> list[str]:
    return [row[0] for row in client.query("SELECT canonical_code FROM marks_current ORDER BY pupil_id").result_rows]


@pytest.fixture
def school(clickhouse: Any) -> Any:
    rows.code_map(clickhouse, {code.code: code.code for code in CODES})
    rows.school(clickhouse, URN)
    return clickhouse


def test_what_two_workers_took_for_the_first_is_derived_by_the_rule(school: Any) -> None:
    mis = {"source": "mis", "source_kind": "mis", "record_id": "r", "partition": 3, "batch": 2}
    said(school, rows.mark(1, "I", offset=7, **mis))
    said(school, rows.mark(1, "/", offset=8), rows.mark(2, "/", offset=9))
    assert codes(school) == ["/", "/"]
    assert not verify(school, tries=1).equal
    assert derive_scattered(school) == 1
    assert codes(school) == ["I", "/"]
    assert verify(school, tries=1).equal
    assert derive_scattered(school) == 0


def test_a_school_in_one_partition_costs_nothing(school: Any) -> None:
    said(school, rows.mark(1, "I", offset=7), rows.mark(2, "/", offset=8))
    assert derive_scattered(school) == 0


@pytest.mark.parametrize(
    ("owned", "sees_all"),
    [
        ({REGISTERS: [0, 1], PAGES: [1, 0], KIOSKS: [5]}, True),
        ({REGISTERS: [0, 1], PAGES: [0]}, False),
        ({REGISTERS: [0], PAGES: [1]}, False),
        ({REGISTERS: [0], KIOSKS: [0]}, False),
    ],
)
def test_no_mark_is_taken_for_the_first_where_topics_give_other_partitions(owned: Any, sees_all: bool) -> None:
    memory = Memory(None, owned)  # type: ignore[arg-type]
    assert (memory.pupil_sessions is not None) == sees_all
