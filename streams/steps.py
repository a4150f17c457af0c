"""The walk of a mark after decoding: check, identify, map, suppress, find the first. One outcome for every mark.

Each step is a function from columns to columns plus the rows it took out, with a reason. The steps' docstrings name the
columns they need and add. docs/guarantees.md holds the two identities that the counts must satisfy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import polars as pl

from rollcall.domain import codes, findings
from streams import crosswalk as people
from streams import kernels
from streams.frames import SOURCE_KINDS, Decoded
from streams.pupil_sessions import PupilSessions
from streams.replays import count_once
from streams.suppression import Assertions, aside
from streams.world import World

__all__ = [
    "RECORD_PLACES", "SAID_AGAIN", "STANDING", "STEPS", "Context", "RecordFinder", "Step", "TakenOut",
    "amend_and_delete", "check", "find_first", "identify", "map_codes", "suppress",
]  # fmt: skip

_LONDON = ZoneInfo("Europe/London")
_DAY_MS = 86_400_000
#: `content` of a deletion.
DELETED = np.uint64(0xDE1E7ED)

#: Exception name -> its bit in mark_event.exceptions.
BIT = {name: np.uint32(value) for name, value in findings.BIT.items()}


class RecordFinder(Protocol):
    """Finds the marks that a deletion means."""

    def __call__(self, wanted: pl.DataFrame) -> pl.DataFrame:
        """For ``wanted`` (urn, source, record_id): their places in mark_event (RECORD_PLACES), none if unknown."""
        ...


#: What a deletion takes over from the mark it deletes. ``year_group`` as text.
RECORD_PLACES = pl.Schema(
    {
        "urn": pl.UInt32, "source": pl.String, "record_id": pl.String, "day": pl.Int32, "session": pl.UInt8,
        "period": pl.String, "pupil_id": pl.UInt64, "year_group": pl.String, "in_scope": pl.Boolean,
    }
)  # fmt: skip

#: A mark of the batch that already stands in mark_event (recovery): its outcome is settled.
STANDING = pl.Schema(
    {
        "message": pl.UInt32, "item": pl.UInt32, "urn": pl.UInt32, "day": pl.Int32, "session": pl.UInt8,
        "period": pl.String,
        "pupil_id": pl.UInt64, "record_id": pl.String, "version": pl.UInt64, "content": pl.UInt64,
    }
)  # fmt: skip


#: An assertion that was said again, by the mark that says so or that it outranks by it: message of that mark, place,
#: version and content of the assertion, and the version at which it was said again.
SAID_AGAIN = pl.Schema(
    {
        "message": pl.UInt32, "urn": pl.UInt32, "day": pl.Int32, "session": pl.UInt8, "period": pl.String,
        "pupil_id": pl.UInt64, "version": pl.UInt64, "content": pl.UInt64, "again": pl.UInt64,
    }
)  # fmt: skip


@dataclass(slots=True)
class Context:
    """What the steps work with: the decoded batch, the world as known, the assertions remembered.

    ``find_records``: looks deletions up. ``meet``: loads what is remembered of session dates (days since 1970).
    In recovery, ``standing``: the batch's marks that stand in the history (STANDING); ``refused_before``: (message,
    item) of those that stand in quarantine.
    ``suppress_repeats``: False writes every repeat (the property test of suppression).
    ``pupil_sessions``: those with an assertion; without it no mark is taken for the first.
    ``replays``: the batch's replays (streams.replays.REPLAYS), None when it has none.
    ``said_again``: unwritten repeats that decide between speakers (SAID_AGAIN), found by `suppress`.
    """

    decoded: Decoded
    world: World
    assertions: Assertions
    find_records: RecordFinder
    meet: Callable[[list[int]], None]
    standing: pl.DataFrame | None = None
    refused_before: pl.DataFrame | None = None
    suppress_repeats: bool = True
    pupil_sessions: PupilSessions | None = None
    replays: pl.DataFrame | None = None
    said_again: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=SAID_AGAIN))


@dataclass(slots=True)
class TakenOut:
    """Rows a step refused: message, item, reason."""

    message: npt.NDArray[np.uint32]
    item: npt.NDArray[np.uint32]
    reason: list[str]


Step = Callable[[pl.DataFrame, Context], tuple[pl.DataFrame, list[TakenOut]]]


def check(marks: pl.DataFrame, context: Context) -> tuple[pl.DataFrame, list[TakenOut]]:
    """Refuse what cannot be read or cannot be a mark: session, date, code.

    Needs MARKS. Adds ``urn``, ``code_row`` (entry of the code map, -1 for none), ``canonical`` (number in the map, 0
    unmapped), ``code_hash``, ``scheme_hash``. Takes out ``bad_session``, ``bad_date``, ``date_out_of_range`` (outside
    the loaded academic years, rule 1), ``malformed_code``.
    """
    messages, world = context.decoded.messages, context.world
    message = marks["message"].to_numpy()
    day = marks["day"].to_numpy()
    code_hash = kernels.hash_strings(marks["code"])
    scheme_hash = kernels.hash_strings(messages["code_scheme"])[message]
    code_row, canonical = world.code_map.find(world.code_map.keys(code_hash, scheme_hash), day)
    reason = np.zeros(len(marks), np.uint8)
    unknown = np.flatnonzero(code_row < 0)
    if len(unknown):
        texts = marks["code"].gather(unknown)
        wrong = np.fromiter((codes.malformed(text) for text in texts), np.bool_, len(unknown))
        reason[unknown[wrong]] = 4
    reason[(day < world.schools.first_day) | (day > world.schools.last_day)] = 3
    reason[(day <= 0) | (day > 65_535)] = 2
    reason[marks["session"].to_numpy() == 0] = 1
    marks = marks.with_columns(
        pl.Series("urn", messages["urn"].to_numpy()[message]), pl.Series("code_row", code_row),
        pl.Series("canonical", canonical), pl.Series("code_hash", code_hash), pl.Series("scheme_hash", scheme_hash),
    )  # fmt: skip
    return _take_out(marks, reason, ("", "bad_session", "bad_date", "date_out_of_range", "malformed_code"))


def identify(marks: pl.DataFrame, context: Context) -> tuple[pl.DataFrame, list[TakenOut]]:
    """Resolve (urn, pupil_scheme, pupil_ref) to a pupil through the crosswalk in force.

    Adds ``pupil_id``, ``year_group`` (number in crosswalk.year_groups), ``in_scope`` (rule 14, pupil and school),
    ``exceptions`` (not_on_roll, outside_calendar, upn_invalid, upn_shared, school_not_open; rules 1, 5 and 12). Takes
    out ``unknown_school``, ``unknown_pupil``, ``ambiguous_pupil``, ``no_expected_register`` (rule 1).
    """
    world = context.world
    school = world.schools.rows(context.decoded.messages["urn"].to_numpy())[marks["message"].to_numpy()]
    day = marks["day"].to_numpy()
    keys = people.reference_keys(
        marks["urn"].to_numpy(), kernels.hash_strings(marks["pupil_scheme"]), kernels.hash_strings(marks["pupil_ref"])
    )
    rows, pupils = world.crosswalk.find(keys)
    on_roll = (day >= pupils.first_day) & (day <= pupils.last_day)
    year_group, pupil_in_scope = pupils.year_group, pupils.in_scope
    for i in np.flatnonzero((pupils.flags & people.FLAG_SEVERAL_SPANS != 0) & (rows >= 0)):
        on_roll[i], year_group[i], pupil_in_scope[i] = world.crosswalk.enrolment_on(int(rows[i]), int(day[i]))
    known_school = school >= 0
    reason = np.zeros(len(marks), np.uint8)
    reason[world.lessons.unexpected(marks["urn"].to_numpy(), marks["period"], day)] = 4
    reason[pupils.flags & people.FLAG_AMBIGUOUS != 0] = 3
    reason[rows < 0] = 2
    reason[~known_school] = 1
    canonical = marks["canonical"].to_numpy()
    exceptions = np.zeros(len(marks), np.uint32)
    exceptions[~on_roll & (canonical != world.code_map.number_of("Z"))] |= BIT["not_on_roll"]
    no_school = ~world.schools.existed_on(school, day)
    closed = (
        ~no_school
        & ~world.schools.open_on(school, day)
        & ~np.isin(canonical, [world.code_map.number_of("#"), world.code_map.number_of(codes.NO_MARK)])
    )
    exceptions[closed] |= BIT["outside_calendar"]
    exceptions[no_school & (canonical != world.code_map.number_of(codes.NO_MARK))] |= BIT["school_not_open"]
    exceptions[pupils.flags & people.FLAG_UPN_INVALID != 0] |= BIT["upn_invalid"]
    exceptions[pupils.flags & people.FLAG_UPN_SHARED != 0] |= BIT["upn_shared"]
    headline = world.schools.in_headline[np.maximum(school, 0)] & known_school if len(world.schools) else known_school
    marks = marks.with_columns(
        pl.Series("pupil_id", pupils.pupil_id), pl.Series("year_group", year_group),
        pl.Series("in_scope", pupil_in_scope & headline), pl.Series("exceptions", exceptions),
    )  # fmt: skip
    return _take_out(marks, reason, ("", "unknown_school", "unknown_pupil", "ambiguous_pupil", "no_expected_register"))


def map_codes(marks: pl.DataFrame, context: Context) -> tuple[pl.DataFrame, list[TakenOut]]:
    """Give every mark its findings about code and time; refuses nothing (rules 2, 3, 4).

    Changes ``exceptions``: unmapped_code, code_out_of_date, code_session_mismatch, dated_ahead, clock_ahead.
    """
    code_map = context.world.code_map
    canonical, day = marks["canonical"].to_numpy(), marks["day"].to_numpy()
    exceptions = marks["exceptions"].to_numpy().copy()
    withdrawal = canonical == code_map.number_of(codes.NO_MARK)
    exceptions[canonical == 0] |= BIT["unmapped_code"]
    exceptions[code_map.out_of_date(canonical, day) & ~withdrawal] |= BIT["code_out_of_date"]
    session = marks["session"].to_numpy()
    morning, afternoon = code_map.number_of("/"), code_map.number_of("\\")
    exceptions[((canonical == morning) & (session == 2)) | ((canonical == afternoon) & (session == 1))] |= BIT[
        "code_session_mismatch"
    ]
    exceptions[(day > london_days(marks["asserted_ms"].to_numpy())) & ~withdrawal] |= BIT["dated_ahead"]
    exceptions[marks["clock_ahead"].to_numpy()] |= BIT["clock_ahead"]
    return marks.with_columns(pl.Series("exceptions", exceptions)), []


def amend_and_delete(marks: pl.DataFrame, context: Context) -> tuple[pl.DataFrame, list[TakenOut]]:
    """Bring in what else the messages say of marks: amendments (rule 26), deletions, and in recovery the marks that
    stand.

    Adds ``amendment`` (row in the batch's amendments, -1 for none), ``amendment_hash`` (0 for none), ``deleted``,
    ``stands``, and rows for deletions and standing marks; leaves all in order of (message, item). Takes out, of
    deletions, ``unknown_school`` and ``unknown_record``: a deletion names a record of (urn, source) delivered before
    it.
    """
    marks = _with_amendments(marks, context.decoded.amendments)
    marks = marks.with_columns(pl.lit(False).alias("deleted"), pl.lit(False).alias("stands"))
    if context.standing is not None and context.standing.height:
        standing = context.standing.rename({"version": "standing_version", "content": "standing_content"})
        marks = pl.concat([marks, standing.with_columns(pl.lit(True).alias("stands"))], how="diagonal").sort(
            "message", "item"
        )
    if not len(context.decoded.deletions):
        return _fill_absent(marks), []
    found, taken = _resolve_deletions(marks, context)
    # A deletion does not say of which day it is: after a restart nothing may be remembered of that day yet.
    context.meet(found["day"].unique().to_list())
    return _fill_absent(pl.concat([marks, found], how="diagonal").sort("message", "item", maintain_order=True)), taken


def _with_amendments(marks: pl.DataFrame, amendments: pl.DataFrame) -> pl.DataFrame:
    if not len(amendments):
        return marks.with_columns(pl.lit(-1, pl.Int32).alias("amendment"), pl.lit(0, pl.UInt64).alias("amendment_hash"))
    hashed = kernels.hash_strings(amendments["original_code"])
    for name in ("reason_code", "staff_ref", "staff_position", "evidence"):
        hashed = kernels.mix_columns(kernels.hash_strings(amendments[name]), hashed)
    hashed = kernels.mix_columns(amendments["amended_ms"].to_numpy().astype(np.uint64), hashed)
    named = amendments.select("message", "item").with_columns(
        pl.int_range(pl.len(), dtype=pl.Int32).alias("amendment"), pl.Series("amendment_hash", hashed)
    )
    return marks.join(
        named.unique(["message", "item"], keep="last"), on=["message", "item"], how="left", maintain_order="left"
    ).with_columns(pl.col("amendment").fill_null(-1), pl.col("amendment_hash").fill_null(0))


def _resolve_deletions(marks: pl.DataFrame, context: Context) -> tuple[pl.DataFrame, list[TakenOut]]:
    """Rows for the deletions whose record is known, in mark_event or earlier in this batch; the others taken out."""
    decoded, world = context.decoded, context.world
    per_message = decoded.messages.select(
        pl.int_range(pl.len(), dtype=pl.UInt32).alias("message"), "urn", "source", "asserted_ms", "clock_ahead",
        pl.Series("known_school", world.schools.rows(decoded.messages["urn"].to_numpy()) >= 0),
    )  # fmt: skip
    deletions = decoded.deletions.join(per_message, on="message", how="left", maintain_order="left")
    years = pl.DataFrame({"year_group": world.crosswalk.year_groups}).with_row_index("number")
    here = marks.filter(pl.col("record_id") != "").join(
        per_message.select("message", "source"), on="message", how="left"
    )
    wanted = deletions.select("urn", "source", "record_id").unique()
    here = _not_contradicted(here.join(wanted, on=["urn", "source", "record_id"], how="semi"), deletions)
    here = here.join(years.rename({"year_group": "year_text"}), left_on="year_group", right_on="number", how="left")
    earlier = here.select(
        *(pl.col(name) for name in ("urn", "source", "record_id", "day", "session", "period", "pupil_id", "in_scope")),
        pl.col("year_text").fill_null("").alias("year_group"), pl.col("message").alias("at_message"),
        pl.col("item").alias("at_item"), "gone",
    )  # fmt: skip
    stored = context.find_records(wanted).with_columns(
        pl.lit(0, pl.UInt32).alias("at_message"),
        pl.lit(0, pl.UInt32).alias("at_item"),
        pl.lit(True).alias("stored"),
        pl.lit(False).alias("gone"),
    )
    places = pl.concat([stored, earlier.with_columns(pl.lit(False).alias("stored"))], how="diagonal_relaxed")
    found = (
        deletions.filter("known_school")
        .join(places, on=["urn", "source", "record_id"], how="inner")
        .filter(
            pl.col("stored") | ((pl.col("at_message") < pl.col("message")) & ~pl.col("gone"))
            | ((pl.col("at_message") == pl.col("message")) & (pl.col("at_item") < pl.col("item")))
        )
        .unique(["message", "item", "day", "session", "period", "pupil_id"], maintain_order=True)
    )  # fmt: skip
    unknown = deletions.join(found, on=["message", "item"], how="anti", maintain_order="left")
    taken = []
    if len(unknown):
        reasons = ["unknown_record" if known else "unknown_school" for known in unknown["known_school"]]
        taken.append(TakenOut(unknown["message"].to_numpy(), unknown["item"].to_numpy(), reasons))
    for name in found["year_group"].unique():
        if name not in world.crosswalk.year_groups:
            world.crosswalk.year_groups.append(name)
    numbers = {name: i for i, name in enumerate(world.crosswalk.year_groups)}
    rows = found.select(
        "message", "item", "urn", "day", "session", "period", "record_id", "asserted_ms", "pupil_id", "in_scope",
        pl.col("year_group").replace_strict(numbers, return_dtype=pl.UInt8),
        (pl.col("clock_ahead").cast(pl.UInt32) * int(BIT["clock_ahead"])).alias("exceptions"),
        pl.lit(True).alias("deleted"),
    )  # fmt: skip
    return rows, taken


def _not_contradicted(marks: pl.DataFrame, deletions: pl.DataFrame) -> pl.DataFrame:
    """Marks of records without those that `suppress` will refuse as contradicts_itself: they make no record known.

    Adds ``gone``: the mark's own message says that the record is gone, so that it counts for that message alone.
    """
    place = ("message", "record_id", "day", "session", "period", "pupil_id", "asserted_ms")
    gone = deletions.select("message", "record_id", "asserted_ms", pl.lit(True).alias("gone")).unique()
    return marks.filter(pl.struct("code", "minutes_late").n_unique().over(place) == 1).join(
        gone, on=["message", "record_id", "asserted_ms"], how="left"
    ).with_columns(pl.col("gone").fill_null(False))  # fmt: skip


def _fill_absent(marks: pl.DataFrame) -> pl.DataFrame:
    """Defaults for the columns that deletions and standing marks do not have."""
    if not marks["scheme_hash"].null_count():
        return marks
    return marks.with_columns(
        pl.col("scheme_hash", "code_hash", "amendment_hash").fill_null(0), pl.col("minutes_late").fill_null(-1),
        pl.col("amendment").fill_null(-1), pl.col("asserted_ms").fill_null(0), pl.col("exceptions").fill_null(0),
        pl.col("canonical").fill_null(0), pl.col("code_row").fill_null(-1), pl.col("year_group").fill_null(0),
        pl.col("in_scope", "deleted", "stands").fill_null(False),
        pl.col("code", "pupil_ref", "pupil_scheme").fill_null(""),
    )  # fmt: skip


def suppress(marks: pl.DataFrame, context: Context) -> tuple[pl.DataFrame, list[TakenOut]]:
    """Tell news from unchanged repeats, and flag what a later re-assertion has overtaken.

    Needs the marks in order of (message, item), deletions among them (``deleted``), marks that already stand
    (``stands``). Leaves in the context what was said again and decides (``said_again``).
    Adds ``version``, ``content``, ``key`` and ``verdict`` (kernels.ACCEPTED, UNCHANGED, SUPERSEDED).
    Takes out ``contradicts_itself``.
    """
    messages = context.decoded.messages
    message = marks["message"].to_numpy()
    offsets = context.decoded.batch.first_offsets()[messages["record"].to_numpy()][message]
    asserted = marks["asserted_ms"].to_numpy().astype(np.uint64)
    low = np.uint64((1 << 20) - 1)
    version = (asserted << np.uint64(20)) | (offsets & low)
    source_hash = kernels.hash_strings(messages["source"])[message]
    period = kernels.hash_strings(marks["period"])
    where = marks["urn"].to_numpy(), marks["day"].to_numpy(), marks["session"].to_numpy()
    key = kernels.assertion_keys(*where, source_hash, period, kernels.hash_strings(marks["record_id"]))
    content = kernels.content_hashes(
        marks["scheme_hash"].to_numpy(), marks["code_hash"].to_numpy(), marks["minutes_late"].to_numpy(),
        marks["amendment_hash"].to_numpy(),
    )  # fmt: skip
    deleted = marks["deleted"].to_numpy()
    content[deleted] = DELETED
    stands = marks["stands"].to_numpy()
    if stands.any():
        version = np.where(stands, marks["standing_version"].fill_null(0).to_numpy(), version)
        content = np.where(stands, marks["standing_content"].fill_null(0).to_numpy(), content)
    pupil = marks["pupil_id"].to_numpy()
    verdict = np.zeros(len(marks), np.uint8)
    kernels.repeats_within(message, key, pupil, asserted, content, verdict)
    verdict[stands] = kernels.ACCEPTED
    if context.suppress_repeats:
        # A receipt carries one re-asserted time, its message's: a mark modified at a time of its own is written.
        told = asserted == messages["asserted_ms"].to_numpy()[message]
        # A page of some days says how its records stand in them, also when it holds only those that changed.
        whole = messages["complete"].to_numpy() | (messages["window_to"].to_numpy() > 0)
        of_kiosks = messages["source_kind"].to_numpy()[message] == SOURCE_KINDS["kiosk"]
        again = context.assertions.judge(
            key, kernels.pupil_places(*where, aside(period, of_kiosks), pupil), version, content, told=told,
            complete=whole[message] & told, stands=stands, weighed=~of_kiosks,
            linked=_among(pupil, context.world.aliased), verdict=verdict,
        )  # fmt: skip
        context.said_again = _said_again(marks, again)
    else:
        verdict[verdict == kernels.UNCHANGED] = kernels.ACCEPTED
    marks = marks.with_columns(
        pl.Series("version", version),
        pl.Series("content", content),
        pl.Series("key", key),
        pl.Series("verdict", verdict),
    )
    reason = (verdict == kernels.CONTRADICTS).astype(np.uint8)
    return _take_out(marks, reason, ("", "contradicts_itself"))


def _said_again(marks: pl.DataFrame, again: npt.NDArray[np.uint64]) -> pl.DataFrame:
    """What `kernels.suppress` found to decide between speakers, as SAID_AGAIN."""
    where = marks.select("message", "urn", "day", "session", "period", "pupil_id")[again[:, 0].astype(np.int64)]
    columns = {name: again[:, i + 1] for i, name in enumerate(("version", "content", "again"))}
    return where.with_columns(pl.Series(name, values) for name, values in columns.items()).cast(SAID_AGAIN)


def find_first(marks: pl.DataFrame, context: Context) -> tuple[pl.DataFrame, list[TakenOut]]:
    """Tell the first mark of a pupil and session, which counts as it is, from those that the rule must choose among.

    Needs ``verdict``. Adds ``alone``: accepted, of a session (rule 7), no deletion, no evidence (rule 17), of a pupil
    without an alias, of a school without a rule for lessons (rule 7), of a day on which the school was open (rule 12),
    and nothing was said about its pupil and session before, by any source. Takes nothing out.
    """
    if context.pupil_sessions is None:
        return marks.with_columns(pl.lit(False).alias("alone")), []
    kind = context.decoded.messages["source_kind"].to_numpy()[marks["message"].to_numpy()]
    asserts = (
        (marks["verdict"].to_numpy() == kernels.ACCEPTED)
        & (marks["period"] == "").to_numpy()
        & (kind != SOURCE_KINDS["kiosk"])
    )
    at = np.flatnonzero(asserts)
    key = kernels.pupil_session_keys(
        marks["urn"].to_numpy()[at], marks["day"].to_numpy()[at], marks["session"].to_numpy()[at],
        marks["pupil_id"].to_numpy()[at],
    )  # fmt: skip
    alone = np.zeros(len(marks), np.bool_)
    alone[at] = context.pupil_sessions.first(key)
    alone &= ~_among(marks["pupil_id"].to_numpy(), context.world.aliased)
    alone &= ~_among(marks["urn"].to_numpy(), context.world.lesson_schools)
    # A deletion may be of a date that was not looked up.
    alone &= ~marks["deleted"].to_numpy() & ~marks["stands"].to_numpy()
    alone &= marks["exceptions"].to_numpy() & BIT["school_not_open"] == 0
    return marks.with_columns(pl.Series("alone", alone)), []


#: The walk of a mark. Order matters: each step may rely on what stands above it.
STEPS: tuple[Step, ...] = (check, identify, map_codes, amend_and_delete, suppress, count_once, find_first)


def _among(values: npt.NDArray[Any], few: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which of ``values`` are among ``few``, which mostly there are none of."""
    return np.isin(values, few) if len(few) else np.zeros(len(values), np.bool_)


def london_days(instants_ms: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    """The Europe/London calendar day (days since 1970) of instants in ms since 1970 (rule 8)."""
    hours, where = np.unique(instants_ms // 3_600_000, return_inverse=True)
    shift = np.fromiter((_offset_ms(int(hour) * 3_600_000) for hour in hours), np.int64, len(hours))
    return ((instants_ms + shift[where]) // _DAY_MS).astype(np.int32)


def _offset_ms(instant_ms: int) -> int:
    offset = datetime.fromtimestamp(instant_ms / 1000, UTC).astimezone(_LONDON).utcoffset()
    return int(offset.total_seconds() * 1000) if offset is not None else 0


def _take_out(
    marks: pl.DataFrame, reason: npt.NDArray[np.uint8], names: tuple[str, ...]
) -> tuple[pl.DataFrame, list[TakenOut]]:
    """Split ``marks`` by ``reason``: 0 stays, k leaves as names[k]. A mark that already stands always stays."""
    if "stands" in marks.columns:
        reason[marks["stands"].to_numpy()] = 0
    leaving = np.flatnonzero(reason)
    if not len(leaving):
        return marks, []
    taken = marks.select("message", "item")[leaving]
    out = TakenOut(taken["message"].to_numpy(), taken["item"].to_numpy(), [names[r] for r in reason[leaving]])
    return marks.filter(pl.Series(reason == 0)), [out]
