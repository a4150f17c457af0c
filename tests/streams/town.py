"""The schools, pupils and codes of these tests: as reference messages, and as a reader of reference data in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import pyarrow as pa

import schemas
from rollcall.domain.clock import OPEN_END, OPEN_START
from rollcall.domain.codes import national_map_entries
from rollcall.domain.identity import new_pupil_id
from schemas.registry import Registry, UnknownSchemaId
from sinks.reference import Applied
from tests.reference.conftest import applied, calendar, code_map, pupil, roster, school
from tests.streams.messages import EVIDENCE, OTHER_URN, PAGE, REGISTER, STUB_IDS, URN, refs

#: On roll at each school.
PUPILS = refs(30)
#: Left on 5 September; named by no roster for certain.
LEFT, AMBIGUOUS, UNKNOWN = "LEFT", "TWICE", "NOBODY"
HALF_TERM = (date(2025, 10, 27), date(2025, 10, 31))
LOCAL = "local"


def pupil_id(ref: str, urn: int = URN) -> int:
    """Our number of the pupil whom the school's registers call ``ref``."""
    return new_pupil_id(urn, "mis", ref)


def roster_of(urn: int, *more: dict[str, Any], **facts: Any) -> dict[str, Any]:
    """PUPILS, the one who left, two who share a reference, and ``more``."""
    return roster(
        urn,
        *(pupil(f"mis:{ref}") for ref in PUPILS),
        pupil(f"mis:{LEFT}", last_day=date(2025, 9, 5)),
        pupil("mis:T1", f"other:{AMBIGUOUS}"),
        pupil("mis:T2", f"other:{AMBIGUOUS}"),
        *more,
        **facts,
    )


def national(version: int, *more: tuple[str, str], scheme: str = "national", **facts: Any) -> dict[str, Any]:
    """A publication of the national codes, with ``more`` entries."""
    published = code_map(scheme, version, *more, **facts)
    published["entries"] += [entry._asdict() for entry in national_map_entries()]
    return published


def reference_messages(more: Sequence[int] = ()) -> list[Applied]:
    """All that a worker must know before the first mark; ``more``: URNs of further primary schools."""
    known: list[Applied] = []
    for urn, phase in ((URN, "Primary"), (OTHER_URN, "Secondary"), *((urn, "Primary") for urn in more)):
        known += [
            applied("school", school(urn, phase=phase)),
            applied("roster", roster_of(urn)),
            applied("calendar", calendar(urn, closures=[HALF_TERM])),
        ]
    return [*known, applied("code-map", national(1))]


class StubReader:
    """The same town for `streams.world.World`, without ClickHouse."""

    def load_schools(self, client: Any) -> pa.Table:
        return pa.table(
            {
                "urn": pa.array([URN, OTHER_URN], pa.uint32()),
                "phase": ["Primary", "Secondary"],
                "state_funded": [True, True],
                "opened_on": [OPEN_START, OPEN_START],
                "closed_on": [OPEN_END, OPEN_END],
            }
        )

    def load_calendar(self, client: Any) -> pa.Table:
        spans = [(date(2025, 9, 3), date(2025, 10, 26)), (date(2025, 11, 1), date(2025, 12, 19))]
        rows = [(urn, *span) for urn in (URN, OTHER_URN) for span in spans]
        urns, first, last = zip(*rows, strict=True)
        return pa.table({"urn": pa.array(urns, pa.uint32()), "first_day": list(first), "last_day": list(last)})

    def load_crosswalk(self, client: Any, urns: list[int] | None) -> pa.Table:
        named = [(urn, "mis", ref, False) for urn in (URN, OTHER_URN) for ref in [*PUPILS, LEFT, "T1", "T2"]]
        rows = [*named, *((urn, "other", AMBIGUOUS, True) for urn in (URN, OTHER_URN))]
        return pa.table(
            {
                "urn": pa.array([row[0] for row in rows], pa.uint32()),
                "scheme": [row[1] for row in rows],
                "ref": [row[2] for row in rows],
                "pupil_id": pa.array([pupil_id(row[2], row[0]) for row in rows], pa.uint64()),
                "upn_invalid": [False] * len(rows),
                "upn_shared": [False] * len(rows),
                "ambiguous": [row[3] for row in rows],
            }
        )

    def load_enrolments(self, client: Any, urns: list[int] | None) -> pa.Table:
        rows = [(urn, ref) for urn in (URN, OTHER_URN) for ref in [*PUPILS, LEFT]]
        return pa.table(
            {
                "urn": pa.array([urn for urn, _ in rows], pa.uint32()),
                "pupil_id": pa.array([pupil_id(ref, urn) for urn, ref in rows], pa.uint64()),
                "first_day": [date(2024, 9, 1)] * len(rows),
                "last_day": [date(2025, 9, 5) if ref == LEFT else OPEN_END for _, ref in rows],
                "year_group": ["5"] * len(rows),
                "in_scope": [True] * len(rows),
            }
        )

    def load_code_map(self, client: Any) -> tuple[pa.Table, int]:
        entries = national_map_entries()
        return pa.table(
            {
                "scheme": ["national"] * len(entries),
                "raw_code": [entry.raw_code for entry in entries],
                "canonical_code": [entry.canonical_code for entry in entries],
                "valid_from": [entry.valid_from or OPEN_START for entry in entries],
                "valid_to": [entry.valid_to or OPEN_END for entry in entries],
            }
        ), 1

    def load_lessons(self, client: Any, urns: list[int] | None) -> pa.Table:
        spans = {name: pa.array([], pa.date32()) for name in ("valid_from", "valid_to")}
        return pa.table({"urn": pa.array([], pa.uint32()), "lesson": pa.array([], pa.string()), **spans})

    def load_aliased(self, client: Any) -> pa.Table:
        return pa.table({"pupil_id": pa.array([], pa.uint64())})

    def load_lesson_schools(self, client: Any) -> pa.Table:
        return pa.table({"urn": pa.array([], pa.uint32())})

    def changes_since(self, client: Any, applied_at: datetime | None) -> tuple[list[tuple[str, str]], datetime | None]:
        return [], applied_at


class StubRegistry(Registry):
    """Knows the latest schemas under `STUB_IDS`, without a server."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:9")

    def get(self, schema_id: int) -> schemas.Schema:
        for topic in (REGISTER, PAGE, EVIDENCE):
            if STUB_IDS[topic] == schema_id:
                return schemas.load(topic)
        raise UnknownSchemaId(str(schema_id))
