"""Reference data in ClickHouse: written by the loader (streams/reference.py), read by the worker.

Every message of a reference topic is a whole version for its key, kept under its `taken_at` (tables: migration 0003).
`apply` may be killed anywhere and repeated: rows are keyed by what they say, the version that puts them in force is
written after them, and the position after the version. One process applies at a time (one consumer group, a key's
messages in one partition); two would still agree on every row, but `changes_since` could miss one of their changes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

import pyarrow as pa
import xxhash
from clickhouse_connect.driver.client import Client

from rollcall.domain.clock import now
from sinks.publications import NUMBERED, Numbers
from sinks.reference_rows import TABLES, Rows, add_rows, to_arrow
from sinks.roster import Ref
from sinks.statements import load

__all__ = [
    "Applied",
    "CodeMapInForce",
    "Kind",
    "Outcome",
    "Refused",
    "applied_positions",
    "apply",
    "changes_since",
    "load_aliased",
    "load_calendar",
    "load_code_map",
    "load_crosswalk",
    "load_enrolments",
    "load_lesson_schools",
    "load_lessons",
    "load_schools",
    "load_timetables",
    "make_merged",
    "make_missing",
    "make_schools",
    "named",
    "refuse",
]

Kind = Literal[
    "school", "roster", "register", "calendar", "code-map", "code-category", "source-rule", "pupil-alias",
    "lesson-rule",
]  # fmt: skip
#: (topic id, partition) -> the first offset that is not applied yet.
Positions = Mapping[tuple[str, int], int]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND, _MICROSECOND = timedelta(milliseconds=1), timedelta(microseconds=1)
#: Schools named in one statement: parameters go into the URL, and a whole GIAS file comes at once.
_AT_ONCE = 2_000
#: An insert is there, or it is not: never acknowledged from a buffer.
_SETTINGS = {"async_insert": 0}


@dataclass(frozen=True, slots=True)
class Applied:
    """One decoded message of a reference topic.

    `key` is the URN in ASCII digits, the scheme of a code map, `code-categories`, `source-rules`, or a pupil_id.
    `taken_at` (UTC, whole milliseconds) says which of two versions is the later. `digest` is xxh3_64 of the message's
    value. `record` is as its Avro schema says.
    """

    kind: Kind
    key: str
    taken_at: datetime
    digest: int
    topic_id: str
    partition: int
    offset: int
    record: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Refused:
    """One message of a reference topic that cannot be applied: its reason (rollcall.domain.findings) and its bytes."""

    reason: str
    detail: str
    topic: str
    topic_id: str
    partition: int
    offset: int
    key: bytes
    value: bytes | None
    schema_id: int
    produced_at: datetime


class Outcome(NamedTuple):
    """What `apply` did: new versions, and exact repeats of versions that stand already."""

    applied: int
    repeated: int


class CodeMapInForce(NamedTuple):
    """`entries`: scheme, raw_code, canonical_code, valid_from, valid_to (inclusive). `version`: 0 before the first."""

    entries: pa.Table
    version: int


def apply(client: Client, decoded: Sequence[Applied], positions: Positions | None = None) -> Outcome:
    """Write messages, given in the order of their topics, and then how far that is.

    `positions` is what to remember as applied, for messages without a version too (refused ones, gaps); one past the
    last offset of each partition in `decoded` when None. Repeating a call changes nothing, wherever the first one
    ended. Raises clickhouse_connect's errors.
    """
    standing, newest = _standing(client, decoded)
    known = _known(client, decoded)
    numbers = Numbers(client) if any(message.kind in NUMBERED for message in decoded) else None
    rows: Rows = defaultdict(list)
    versions: list[tuple[Any, ...]] = []
    for message in decoded:
        taken_at = _place(standing[message.kind, message.key], message)
        if taken_at is None:
            continue
        number = numbers.give(message.kind, message.key, taken_at, message.record) if numbers is not None else 0
        add_rows(rows, message.kind, message.record, taken_at, known.get(message.key), number)
        place = (message.topic_id, message.partition, message.offset)
        versions.append((message.kind, message.key, taken_at, message.digest, *place))
    for table in TABLES:
        if rows[table]:
            client.insert_arrow(table, to_arrow(table, rows[table]), settings=_SETTINGS)
    make_schools(client, {row[0] for row in rows["school"]})
    if rows["pupil_alias"]:
        make_merged(client)
    if versions:
        # Read as late as can be: whoever asks as at an instant (rule 9) must find all that was applied by then.
        applied_at = max(now(), newest + _MICROSECOND)
        rows_of_versions = [(*version, applied_at) for version in versions]
        client.insert_arrow("reference_version", _table(rows_of_versions, _VERSION), settings=_SETTINGS)
    if positions is None:
        positions = _after(decoded)
    if positions:
        reached = [(*place, offset) for place, offset in positions.items()]
        client.insert_arrow("reference_position", _table(reached, _POSITION), settings=_SETTINGS)
    return Outcome(len(versions), len(decoded) - len(versions))


def make_missing(client: Client) -> None:
    """Make what is made of reference data and is not there: of what a loader of an earlier version took in after the
    tables were made, and nothing as a rule. A loader asks for it when it starts.
    """
    _make_spans(client, "1", {})
    for name, table, key in (
        ("calendars", "school_calendar", "urn, academic_year, taken_at"),
        ("openings", "school_opening", "urn, taken_at"),
    ):
        made = load(f"school_{name}_make").replace(f"{{{name}}}", load(f"school_{name}"))
        missing = f"({key}) NOT IN (SELECT {key} FROM {table})"
        client.command(made.replace("{wanted}", missing), settings=_SETTINGS)
    make_merged(client)


def make_schools(client: Client, urns: Collection[int]) -> None:
    """Write the spans of facts (`school_span`) of schools of whom rows of `school` have come. Repeating it changes
    nothing, and of two spans of one day those made of more messages stand. Raises clickhouse_connect's errors.
    """
    wanted = sorted(urns)
    for first in range(0, len(wanted), _AT_ONCE):
        _make_spans(client, "urn IN {urns:Array(UInt32)}", {"urns": wanted[first : first + _AT_ONCE]})


def make_merged(client: Client) -> None:
    """Write who is one pupil by the aliases in force (`merged_pupil`), as far as it is not what stands there."""
    client.command(load("merged_pupils_make").replace("{merged}", load("merged_pupils")), settings=_SETTINGS)


def _make_spans(client: Client, schools: str, parameters: Mapping[str, Any]) -> None:
    made = load("school_spans_make").replace("{spans}", load("school_spans")).replace("{schools}", schools)
    client.command(made, parameters=dict(parameters), settings=_SETTINGS)


def refuse(client: Client, refused: Sequence[Refused], source: str = "reference") -> None:
    """Keep messages that cannot be applied in quarantine, whole and with their bytes. Repeating it changes nothing.

    source: what the refusals are listed under.
    """
    if not refused:
        return
    at = now()
    messages, reasons = [], []
    for one in refused:
        place = (one.topic, one.topic_id, one.partition, one.offset)
        event_id = xxhash.xxh3_64_intdigest(f"{one.topic_id}|{one.partition}|{one.offset}|-1".encode())
        messages.append((*place, one.key, one.value or b"", one.value is None, one.produced_at, at, 0))
        reasons.append((one.reason, source, one.detail, event_id, *place, -1, one.schema_id, at, 0))
    client.insert_arrow("quarantine_message", _table(messages, _REFUSED_MESSAGE), settings=_SETTINGS)
    client.insert_arrow("quarantine", _table(reasons, _REFUSED), settings=_SETTINGS)


def applied_positions(client: Client) -> dict[tuple[str, int], int]:
    """(topic id, partition) -> the first offset that is not applied yet; nothing for a partition never read."""
    found = client.query(load("reference_positions")).result_rows
    return {(str(topic_id), int(partition)): int(offset) for topic_id, partition, offset in found}


def changes_since(client: Client, applied_at: datetime | None) -> tuple[list[tuple[str, str]], datetime | None]:
    """Which (kind, key) changed after `applied_at`, and the instant to ask with next time.

    With None, everything that was ever applied. The instant is None only as long as nothing was.
    """
    since = -1 if applied_at is None else (applied_at - _EPOCH) // _MICROSECOND
    found = client.query(load("reference_changes"), parameters={"since": since}).result_rows
    if not found:
        return [], applied_at
    return [(str(kind), str(key)) for kind, key, _ in found], _EPOCH + max(int(at) for *_, at in found) * _MICROSECOND


def load_crosswalk(client: Client, urns: Sequence[int] | None = None) -> pa.Table:
    """urn, scheme, ref, pupil_id, upn_invalid, upn_shared, ambiguous: of these schools, or of all.

    `pupil_id` means nobody where `ambiguous`.
    """
    return _read(client, "reference_crosswalk", urns)


def load_enrolments(client: Client, urns: Sequence[int] | None = None) -> pa.Table:
    """urn, pupil_id, first_day, last_day (inclusive), year_group, in_scope, by the roster in force (rule 11)."""
    return _read(client, "reference_enrolments", urns)


def load_lessons(client: Client, urns: Sequence[int] | None = None) -> pa.Table:
    """urn, lesson, valid_from, valid_to (inclusive): the lessons that the timetables in force of these schools have."""
    return _read(client, "reference_lessons", urns)


def load_aliased(client: Client) -> pa.Table:
    """pupil_id: of every pupil that an alias, of any version, links to another."""
    return client.query_arrow(load("reference_aliased"), use_strings=True)


def load_lesson_schools(client: Client) -> pa.Table:
    """urn: of every school that ever published a rule for lessons (rule 7)."""
    return client.query_arrow(load("reference_lesson_schools"), use_strings=True)


def load_schools(client: Client) -> pa.Table:
    """urn, phase, state_funded, status, la_code, trust_id, valid_from, valid_to: a row per span, the latest last; and
    opened_on, closed_on of the school (rule 12)."""
    return client.query_arrow(load("reference_schools"), use_strings=True)


def load_calendar(client: Client) -> pa.Table:
    """urn, first_day, last_day of the spans on which schools are open: terms without closures (rule 21)."""
    return client.query_arrow(load("reference_calendar"), use_strings=True)


def load_timetables(client: Client, urns: Sequence[int] | None = None) -> pa.Table:
    """urn, session, opens_at, closes_at (HH:MM, London), weekdays, valid_from, valid_to: of these schools, or of all.

    By the timetable in force; where groups differ, the first opening and the last closing.
    """
    return _read(client, "reference_timetables", urns)


def named(client: Client, references: Collection[tuple[int, str, str]]) -> set[tuple[int, str, str]]:
    """Those of the references (urn, scheme, ref) that a roster of the school has ever named."""
    if not references:
        return set()
    urns, schemes, refs = (sorted(set(column)) for column in zip(*references, strict=True))
    found = client.query(load("reference_named"), parameters={"urns": urns, "schemes": schemes, "refs": refs})
    return {(int(urn), str(scheme), str(ref)) for urn, scheme, ref in found.result_rows} & set(references)


def load_code_map(client: Client) -> CodeMapInForce:
    """The code maps in force, all schemes, and their version."""
    version = int(client.query(load("reference_code_map_version")).result_rows[0][0])
    return CodeMapInForce(client.query_arrow(load("reference_code_map"), use_strings=True), version)


_VERSION = pa.schema(
    {
        "kind": pa.string(),
        "key": pa.string(),
        "taken_at": pa.timestamp("ms", "UTC"),
        "digest": pa.uint64(),
        "topic_id": pa.string(),
        "partition": pa.uint16(),
        "offset": pa.uint64(),
        "applied_at": pa.timestamp("us", "UTC"),
    }
)
_POSITION = pa.schema({"topic_id": pa.string(), "partition": pa.uint16(), "next_offset": pa.uint64()})
_PLACE = {"topic": pa.string(), "topic_id": pa.string(), "partition": pa.uint16(), "offset": pa.uint64()}
_REFUSED_MESSAGE = pa.schema(
    {
        **_PLACE,
        "key": pa.binary(),
        "value": pa.binary(),
        "is_null": pa.bool_(),
        "produced_at": pa.timestamp("ms", "UTC"),
        "ingested_at": pa.timestamp("ms", "UTC"),
        "batch": pa.uint64(),
    }
)
_REFUSED = pa.schema(
    {
        "reason": pa.string(),
        "source": pa.string(),
        "detail": pa.string(),
        "event_id": pa.uint64(),
        **_PLACE,
        "item": pa.int32(),
        "schema_id": pa.uint32(),
        "ingested_at": pa.timestamp("ms", "UTC"),
        "batch": pa.uint64(),
    }
)


def _table(rows: Sequence[tuple[Any, ...]], schema: pa.Schema) -> pa.Table:
    columns = zip(*rows, strict=True)
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema=schema
    )


def _standing(
    client: Client, decoded: Sequence[Applied]
) -> tuple[defaultdict[tuple[str, str], dict[datetime, int]], datetime]:
    """(kind, key) -> {taken_at: digest} of the versions that stand, and when anything was last applied."""
    found: defaultdict[tuple[str, str], dict[datetime, int]] = defaultdict(dict)
    newest = int(client.query(load("reference_newest")).result_rows[0][0])
    if decoded:
        keys = sorted({(message.kind, message.key) for message in decoded})
        earliest = min(message.taken_at for message in decoded)
        parameters = {
            "kinds": [kind for kind, _ in keys],
            "keys": [key for _, key in keys],
            "earliest": (earliest - _EPOCH) // _MILLISECOND,
        }
        for kind, key, taken_at, digest in client.query(load("reference_versions"), parameters=parameters).result_rows:
            found[kind, key][_EPOCH + int(taken_at) * _MILLISECOND] = int(digest)
    return found, _EPOCH + newest * _MICROSECOND


def _place(standing: dict[datetime, int], message: Applied) -> datetime | None:
    """The `taken_at` to keep a message under; None when it stands there already.

    Two different messages taken at the same millisecond: the later offset is the later version, a millisecond on.
    """
    taken_at = message.taken_at
    while (digest := standing.get(taken_at)) is not None:
        if digest == message.digest:
            return None
        taken_at += _MILLISECOND
    standing[taken_at] = message.digest
    return taken_at


def _known(client: Client, decoded: Sequence[Applied]) -> dict[str, dict[Ref, int]]:
    """URN -> its crosswalk so far, for the schools whose rosters are in the batch."""
    known: dict[str, dict[Ref, int]] = {message.key: {} for message in decoded if message.kind == "roster"}
    if known:
        found = client.query_arrow(
            load("reference_known"), parameters={"urns": sorted(map(int, known))}, use_strings=True
        ).to_pydict()
        for urn, scheme, ref, pupil_id in zip(
            found["urn"], found["scheme"], found["ref"], found["pupil_id"], strict=True
        ):
            known[str(urn)][scheme, ref] = pupil_id
    return known


def _after(decoded: Sequence[Applied]) -> dict[tuple[str, int], int]:
    reached: dict[tuple[str, int], int] = {}
    for message in decoded:
        place = (message.topic_id, message.partition)
        reached[place] = max(reached.get(place, 0), message.offset + 1)
    return reached


def _read(client: Client, name: str, urns: Sequence[int] | None) -> pa.Table:
    # No school at all is not the same as every school; the query takes an empty list for every one.
    wanted = [] if urns is None else sorted(set(urns)) or [0]
    return client.query_arrow(load(name), parameters={"urns": wanted}, use_strings=True)
