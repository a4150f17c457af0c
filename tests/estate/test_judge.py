"""The judge on real tables: filled as they must be it finds nothing; spoiled, it finds each fault in its table."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from datetime import UTC, datetime
from typing import Any

import pytest
import xxhash

from connectors.estate.direct import MIS, REGISTER, pull_pages
from connectors.estate.estate import Estate
from connectors.estate.judge import expect
from connectors.estate.judge_ledger import Expected
from connectors.estate.judge_tables import judge_tables
from connectors.estate.marks import Arrival, Outcome, Place
from connectors.estate.messages import PupilRefs
from connectors.estate.pupils import UPN_SHARED, year_name
from connectors.estate.topic_log import Decoded, Logged
from connectors.estate.verdict import Finding

GROUP = "rollcall-test"
TABLES = {
    "crosswalk",
    "mark_event",
    "mark_assertion",
    "period_current",
    "mark_current",
    "school_session",
    "quarantine",
    "quarantine_message",
    "register_receipt",
    "ledger",
}


def _messages(estate: Estate, refs: PupilRefs) -> Decoded:
    """What the topics would hold, with two messages of poison."""
    arrived = int(time.time() * 1000)
    offsets: Counter[str] = Counter()
    decoded: Decoded = []

    def add(topic: str, key: str, record: Any) -> None:
        arrival = Arrival(topic, 0, offsets[topic], arrived)
        decoded.append((Logged(arrival, key.encode(), None if record == "no_value" else b"value"), record))
        offsets[topic] += 1

    for tick in estate.ticks:
        estate.advance(tick)
        for submission in estate.script.submissions[tick]:
            submission.stamp(datetime.now(UTC))
            add(REGISTER, str(submission.urn), submission.record(refs))
        add(REGISTER, "0", "no_value" if tick else "undecodable")
        for urn, page in pull_pages(estate, tick, 500):
            add(MIS, str(urn), page)
    decoded.sort(key=lambda one: one[0].arrival[:3])
    return decoded


def _pupil_id(estate: Estate, row: int) -> int:
    return 1 + (row if estate.pupils.flags[row] & UPN_SHARED else int(estate.pupils.upn_of[row]))


def _event_id(place: Place) -> int:
    return xxhash.xxh3_64_intdigest("/".join(map(str, place)).encode())


def _event(estate: Estate, place: Place, one: Outcome) -> dict[str, Any]:
    key = one.key
    assert key is not None
    assert isinstance(key.pupil, int)
    return {
        "session_date": key.session_date,
        "urn": key.urn,
        "session": key.session,
        "period": key.period,
        "pupil_id": _pupil_id(estate, key.pupil),
        "source": key.source,
        "source_kind": one.kind,
        "record_id": key.record_id,
        "code_scheme": one.code_scheme,
        "raw_code": one.raw_code,
        "canonical_code": one.canonical_code,
        "minutes_late": one.minutes_late,
        "deleted": one.deleted,
        "superseded": one.superseded,
        "asserted_at": datetime.fromtimestamp(one.asserted_ms / 1000, UTC),
        "version": one.version,
        "exceptions": one.exceptions,
        "event_id": _event_id(place),
        **place._asdict(),
    }


def _insert(client: Any, table: str, rows: list[dict[str, Any]]) -> None:
    """Insert rows; a row with a topic also gets an id of it, which the tables' keys hold."""
    rows = [{**row, "topic_id": row["topic"]} if "topic" in row else row for row in rows]
    names = list(rows[0])
    client.insert(table, [[row[name] for name in names] for row in rows], column_names=names)


def _fill(client: Any, estate: Estate, expected: Expected) -> None:
    """Every table as it must be."""
    model = expected.model
    by_outcome: dict[str, list[tuple[Place, Outcome]]] = defaultdict(list)
    for place, one in model.outcomes.items():
        by_outcome[one.outcome].append((place, one))
    _insert(client, "mark_event", [_event(estate, *one) for one in by_outcome["accepted"]])
    _insert(
        client,
        "crosswalk",
        [
            {
                "urn": urn,
                "scheme": scheme,
                "ref": ref,
                "pupil_id": 0 if known.pupil is None else _pupil_id(estate, int(str(known.pupil))),
                "ambiguous": known.pupil is None,
            }
            for (urn, scheme, ref), known in model.world.pupils.items()
        ],
    )
    refused = by_outcome["quarantined"]
    _insert(client, "quarantine", [{**place._asdict(), "reason": one.reason} for place, one in refused])
    held = {place[:3] for place, _ in refused}
    _insert(
        client,
        "quarantine_message",
        [
            {
                **_at(message.arrival),
                "value": "" if message.value is None else message.value.decode(),
                "is_null": message.value is None,
            }
            for message in expected.messages
            if message.arrival[:3] in held
        ],
    )
    receipts = [
        {"topic": topic, "partition": partition, "offset": offset, **receipt._asdict()}
        for (topic, partition, offset), receipt in model.receipts.items()
    ]
    _insert(client, "register_receipt", receipts)
    _fill_current(client, estate, expected)
    for topic in (REGISTER, MIS):
        own = [message for message in expected.messages if message.arrival.topic == topic]
        decoded = [receipt for receipt in receipts if receipt["topic"] == topic]
        sums = {name: sum(one[name] for one in decoded) for name in ("marks", "accepted", "unchanged", "quarantined")}
        row = {"consumer_group": GROUP, "topic": topic, "partition": 0, "first_offset": 0, "last_offset": len(own) - 1}
        counts = {"decoded": len(decoded), "undecodable": len(own) - len(decoded), **sums}
        _insert(client, "ledger", [{**row, "epoch": 1, "state": "DONE", **counts}])


def _fill_current(client: Any, estate: Estate, expected: Expected) -> None:
    rows: list[dict[str, Any]] = []
    counts: Counter[tuple[Any, ...]] = Counter()
    for (urn, pupil, day, session), mark in expected.current.items():
        assert isinstance(pupil, int)
        year = int(estate.pupils.year[pupil])
        headline = estate.by_urn[urn].phase in ("Primary", "Secondary", "Special")
        scope = {"in_scope": headline and 1 <= year <= 11, "year_group": year_name(year)}
        said = mark._asdict()
        rows.append(
            {
                "urn": urn,
                "pupil_id": _pupil_id(estate, pupil),
                "session_date": day,
                "session": session,
                "is_mark": True,
                "event_id": _event_id(said.pop("place")),
                "source_kind": "register",
                **said,
                **scope,
            }
        )
        counts[urn, day, session, mark.canonical_code, *scope.values()] += 1
    _insert(client, "mark_current", rows)
    names = ("urn", "session_date", "session", "canonical_code", "in_scope", "year_group")
    _insert(
        client,
        "school_session",
        [{**dict(zip(names, key, strict=True)), "marks": count} for key, count in counts.items()],
    )


def _at(arrival: Arrival) -> dict[str, Any]:
    return {"topic": arrival.topic, "partition": arrival.partition, "offset": arrival.offset}


@pytest.fixture
def expected(estate: Estate, refs: PupilRefs, clickhouse: Any) -> Expected:
    """What must be, with the tables filled so."""
    wanted, _ = expect(estate, _messages(estate, refs), refs)
    _fill(clickhouse, estate, wanted)
    return wanted


def _counts(finding: Finding) -> tuple[int, int, int]:
    return finding.lost, finding.duplicated, finding.wrong


def test_tables_as_they_must_be_are_equal_and_every_fault_is_found(
    estate: Estate, expected: Expected, clickhouse: Any
) -> None:
    found = judge_tables(estate, clickhouse, expected, GROUP)
    assert {name: finding.examples for name, finding in found.items()} == {name: [] for name in TABLES}
    assert {name for name, finding in found.items() if not finding.rows} == {"period_current"}  # no lessons are sent

    def spoil(statement: str) -> None:
        clickhouse.command(f"{statement} SETTINGS mutations_sync = 2")

    places = [place for place, one in expected.model.outcomes.items() if one.outcome == "accepted"]
    gone, changed, twice = places[10], places[20], places[30]
    spoil(f"ALTER TABLE mark_event DELETE WHERE event_id = {_event_id(gone)}")
    spoil(f"ALTER TABLE mark_event UPDATE raw_code = 'XX' WHERE event_id = {_event_id(changed)}")
    outcome = expected.model.outcomes[twice]
    again = {**_event(estate, twice, outcome), "event_id": 1, "period": "P9"}
    _insert(clickhouse, "mark_event", [again])
    spoil("ALTER TABLE mark_current UPDATE canonical_code = 'X' WHERE canonical_code = 'V'")
    spoil("ALTER TABLE mark_current DELETE WHERE canonical_code = 'L'")
    spoil("ALTER TABLE school_session UPDATE marks = marks + 1 WHERE canonical_code = 'I'")
    spoil("ALTER TABLE quarantine UPDATE reason = 'bad_date' WHERE reason = 'unknown_pupil'")
    spoil("ALTER TABLE quarantine_message DELETE WHERE is_null")
    spoil(f"ALTER TABLE register_receipt UPDATE accepted = accepted + 1 WHERE topic = '{MIS}' AND offset = 0")
    spoil(f"ALTER TABLE ledger UPDATE last_offset = last_offset - 2 WHERE topic = '{REGISTER}'")
    spoil("ALTER TABLE crosswalk UPDATE pupil_id = 77777777 WHERE scheme = 'mis' AND ref = '10005'")

    canonical = Counter(mark.canonical_code for mark in expected.current.values())
    reasons = Counter(one.reason for one in expected.model.outcomes.values())
    nulls = sum(message.value is None for message in expected.messages)
    found = judge_tables(estate, clickhouse, expected, GROUP)
    assert {name for name, finding in found.items() if not finding.equal} == TABLES
    assert _counts(found["mark_event"])[:2] == (1, 1)
    assert found["mark_event"].wrong >= 1
    assert found["mark_current"].lost >= canonical["L"]
    assert found["mark_current"].wrong >= canonical["V"]
    assert _counts(found["quarantine"]) == (0, 0, reasons["unknown_pupil"])
    assert _counts(found["quarantine_message"]) == (nulls, 0, 0)
    assert _counts(found["register_receipt"]) == (0, 0, 1)
    assert found["ledger"].lost == 2
    assert found["crosswalk"].wrong >= 1


def test_a_range_taken_twice_or_left_pending_is_found(estate: Estate, expected: Expected, clickhouse: Any) -> None:
    row = {"consumer_group": GROUP, "topic": REGISTER, "partition": 0, "epoch": 2}
    _insert(clickhouse, "ledger", [{**row, "first_offset": 3, "last_offset": 4, "state": "DONE"}])
    _insert(clickhouse, "ledger", [{**row, "first_offset": 900_000, "last_offset": 900_001, "state": "PENDING"}])
    found = judge_tables(estate, clickhouse, expected, GROUP)["ledger"]
    assert found.duplicated > 0
    assert found.wrong == 1
