"""From a batch of raw records to the rows to write, and the counts that must add up."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from rollcall import metrics
from rollcall.domain.findings import BIT
from streams import replays, rows
from streams.batch import Batch
from streams.brake import Judged
from streams.decode import SchemaCache, decode
from streams.frames import SOURCE_KINDS
from streams.kernels import SUPERSEDED, UNCHANGED
from streams.pupil_sessions import PupilSessions
from streams.steps import STEPS, Context, RecordFinder, TakenOut
from streams.suppression import Assertions
from streams.trail import quarantine_trail
from streams.world import World

__all__ = ["Outcome", "Standing", "process"]


@dataclass(slots=True)
class Standing:
    """What the tables already hold of a range in recovery.

    ``marks``: steps.STANDING, with ``record`` in place of ``message``; ``quarantined``: (record, item, reason) that
    stand in quarantine (item -1: the whole message).
    """

    marks: pl.DataFrame
    quarantined: pl.DataFrame

    def refused_whole(self) -> frozenset[int]:
        """Records that stand in quarantine as whole messages."""
        return frozenset(self.quarantined.filter(pl.col("item") < 0)["record"].to_list())

    def bad_replays(self) -> frozenset[int]:
        """Of these, replays that could not be believed."""
        bad = (pl.col("item") < 0) & (pl.col("reason") == "bad_replay")
        return frozenset(self.quarantined.filter(bad)["record"].to_list())


@dataclass(slots=True)
class Outcome:
    """The rows of one batch, each table as Arrow columns, ready to insert; and the counts in ``batch.ranges``."""

    batch: Batch
    mark_event: pa.Table
    mark_reassertion: pa.Table
    quarantine: pa.Table
    quarantine_message: pa.Table
    quarantine_trail: pa.Table
    register_receipt: pa.Table
    reasons: dict[str, int] = field(default_factory=dict)
    exceptions: dict[str, int] = field(default_factory=dict)
    unmapped: dict[str, int] = field(default_factory=dict)
    #: Entries of quarantine that were sent again, by what became of them.
    replayed: dict[str, int] = field(default_factory=dict)
    #: The schools of each of the batch's ranges, for the brake.
    schools: list[Judged] = field(default_factory=list)
    map_version: int = 0
    #: Whether a mark touches a key (`touched_view`) and did not come alone: the rule has to choose.
    to_choose: bool = False
    #: Whether what was said again touches one.
    repeats_decide: bool = False


def process(
    batch: Batch, schemas: SchemaCache, world: World, assertions: Assertions, find_records: RecordFinder, *,
    future_bound_ms: int, suppress_repeats: bool = True, standing: Standing | None = None,
    meet: Callable[[list[int]], None] = lambda _: None, pupil_sessions: PupilSessions | None = None,
    find_taken: replays.ReplayFinder = lambda _: pl.DataFrame(schema=replays.TAKEN),
) -> Outcome:  # fmt: skip
    """Turn one batch into rows to write.

    Every mark of a decoded message ends in exactly one of accepted, unchanged or quarantined:
    ``marks == accepted + unchanged + quarantined`` for each range. ``meet`` is told the session dates before anything
    is judged, to load what is remembered of them. Without ``pupil_sessions`` no mark is taken for the
    first. ``find_taken`` is asked, once, when the batch holds a replay.
    Raises schemas.registry.RegistryAway before anything is judged.
    """
    started = time.perf_counter()
    refused_whole = frozenset[int]() if standing is None else standing.refused_whole()
    decoded = decode(batch, schemas, future_bound_ms, refused_whole)
    metrics.STEP_SECONDS.labels(step="decode").observe(time.perf_counter() - started)
    marks = decoded.marks
    context = Context(
        decoded, world, assertions, find_records, meet, suppress_repeats=suppress_repeats, pupil_sessions=pupil_sessions
    )
    meet(marks["day"].unique().to_list())
    if standing is not None:
        marks = _set_standing_aside(marks, context, standing)
    repeated = None
    if batch.has_replays:
        context.replays = replays.replays_of(decoded)
        repeated = replays.taken_before(decoded, marks, context.replays, find_taken)
        marks = _take_out(marks, context, repeated)
    taken: list[TakenOut] = []
    for step in STEPS:
        started = time.perf_counter()
        marks, out = step(marks, context)
        taken += out
        metrics.STEP_SECONDS.labels(step=step.__name__).observe(time.perf_counter() - started)
    stood_whole = refused_whole if standing is None else refused_whole - standing.bad_replays()
    return _outcome(context, marks, taken, repeated, stood_whole)


def _set_standing_aside(marks: pl.DataFrame, context: Context, standing: Standing) -> pl.DataFrame:
    """Take marks whose outcome stands out of the walk; the suppress step learns those of the history in their place."""
    number = context.decoded.messages.select("record", pl.int_range(pl.len(), dtype=pl.UInt32).alias("message"))
    context.standing = standing.marks.join(number, on="record", how="inner").drop("record")
    refused = standing.quarantined.join(number, on="record", how="inner")
    context.refused_before = refused.select("message", "item")
    for settled in (context.standing, context.refused_before):
        marks = _take_out(marks, context, settled)
    return marks


def _take_out(marks: pl.DataFrame, context: Context, settled: pl.DataFrame) -> pl.DataFrame:
    """The marks without those that are settled; of the deletions too."""
    context.decoded.deletions = context.decoded.deletions.join(
        settled, on=["message", "item"], how="anti", maintain_order="left"
    )
    return marks.join(settled, on=["message", "item"], how="anti", maintain_order="left")


def _outcome(
    context: Context, marks: pl.DataFrame, taken: list[TakenOut], repeated: pl.DataFrame | None,
    refused_whole: frozenset[int],
) -> Outcome:  # fmt: skip
    decoded, world = context.decoded, context.world
    batch = decoded.batch
    new = marks if context.standing is None else marks.filter(~pl.col("stands"))
    unchanged = new.filter(pl.col("verdict") == UNCHANGED)
    accepted = new.filter(pl.col("verdict") != UNCHANGED) if len(unchanged) else new
    refused = rows.refused_marks(taken)
    counts = _count(context, accepted, unchanged, refused, repeated)
    quarantine = rows.quarantine(decoded, refused, world)
    judged = _judged(context, accepted, refused, refused_whole)
    return Outcome(
        batch,
        mark_event=rows.mark_event(decoded, accepted, world),
        mark_reassertion=rows.mark_reassertion(decoded, context.said_again),
        quarantine=quarantine,
        quarantine_message=rows.quarantine_message(decoded, refused),
        quarantine_trail=quarantine_trail(decoded, judged, world),
        register_receipt=rows.register_receipt(decoded, counts, unchanged),
        reasons=_tally_new(context, refused) if batch.has_replays else _tally(quarantine),
        exceptions=_tally_exceptions(accepted),
        unmapped=_tally_unmapped(context, accepted),
        replayed=replays.tally(judged),
        schools=_schools(context, counts),
        map_version=world.code_map.version,
        to_choose=_to_choose(accepted, world),
        repeats_decide=bool(context.said_again.select(_derives(world).any()).item()),
    )


def _judged(
    context: Context, accepted: pl.DataFrame, refused: pl.DataFrame, refused_whole: frozenset[int]
) -> pl.DataFrame:
    """What became of the items that replays name, those whose outcome stood before among them (replays.JUDGED)."""
    if context.replays is None:
        return pl.DataFrame(schema=replays.JUDGED)
    if context.standing is not None and context.refused_before is not None:
        accepted, refused = _with(accepted, context.standing), _with(refused, context.refused_before)
    return replays.judged(context.decoded, accepted, refused, refused_whole)


def _with(judged: pl.DataFrame, stood: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([judged.select("message", "item"), stood.select("message", pl.col("item").cast(pl.UInt32))])


def _to_choose(accepted: pl.DataFrame, world: World) -> bool:
    """Whether a mark that is an assertion of a session is not alone."""
    choosing = ~pl.col("alone") & _derives(world) & (pl.col("verdict") != SUPERSEDED)
    return bool(accepted.select(choosing.any()).item())


def _derives(world: World) -> pl.Expr:
    """Whether a mark is derived: one of a lesson only at schools that have a rule for them (rule 7)."""
    of_session = pl.col("period") == ""
    if not len(world.lesson_schools):
        return of_session
    return of_session | pl.col("urn").is_in(world.lesson_schools.tolist())


def _tally(quarantine: pa.Table) -> dict[str, int]:
    return {
        entry["values"]: entry["counts"] for entry in quarantine["reason"].cast(pa.string()).value_counts().to_pylist()
    }


def _tally_new(context: Context, refused: pl.DataFrame) -> dict[str, int]:
    """The same, without what is refused again on replay: it is in quarantine already."""
    decoded = context.decoded
    known = {record for record in range(len(decoded.batch.records)) if replays.keeps_no_bytes(decoded, record)}
    messages = decoded.messages["record"].to_list()
    found = Counter(reason for message, _, reason in refused.iter_rows() if messages[message] not in known)
    found.update(one.reason for one in decoded.refusals if one.record not in known)
    return dict(found)


def _tally_exceptions(accepted: pl.DataFrame) -> dict[str, int]:
    bits = accepted["exceptions"].to_numpy()
    if not bits.any():
        return {}
    found = {name: int(np.count_nonzero(bits & np.uint32(bit))) for name, bit in BIT.items()}
    return {name: count for name, count in found.items() if count}


def _tally_unmapped(context: Context, accepted: pl.DataFrame) -> dict[str, int]:
    """Accepted marks with a code no map knows, by kind of source (rule 2)."""
    unmapped = np.flatnonzero(accepted["exceptions"].to_numpy() & np.uint32(BIT["unmapped_code"]))
    kinds = context.decoded.messages["source_kind"].to_numpy()[accepted["message"].to_numpy()[unmapped]]
    return {name: int(np.count_nonzero(kinds == number)) for name, number in SOURCE_KINDS.items() if len(unmapped)}


def _schools(context: Context, counts: rows.Counts) -> list[Judged]:
    """The schools of each range: those with a mark taken in, and the marks refused of messages that held nothing else.

    Replays say nothing of how a school is now.
    """
    decoded = context.decoded
    judged = [Judged() for _ in decoded.batch.ranges]
    record, urn = decoded.messages["record"].to_numpy(), decoded.messages["urn"].to_numpy()
    range_of = _ranges(decoded.batch)
    taken = counts.accepted + counts.unchanged > 0
    lost = ~taken & (counts.quarantined > 0)
    if decoded.batch.has_replays:
        now = np.array([decoded.batch.records[i].replay is None for i in record], np.bool_)
        taken, lost = taken & now, lost & now
    for number, one in enumerate(judged):
        one.passed.update(np.unique(urn[taken & (range_of[record] == number)]).tolist())
    for i in np.flatnonzero(lost):
        refused = judged[range_of[record[i]]].refused
        refused[int(urn[i])] = refused.get(int(urn[i]), 0) + int(counts.quarantined[i])
    for refusal in decoded.refusals:
        said, school = decoded.batch.records[refusal.record], judged[range_of[refusal.record]]
        if said.replay is None and said.key is not None and said.key.isdigit() and refusal.reason != "no_value":
            school.unread(int(said.key))
            if refusal.reason == "unknown_schema":
                school.schema_ids.add(refusal.schema_id)
    return judged


def _ranges(batch: Batch) -> npt.NDArray[np.int64]:
    """The number of the range of each record."""
    return np.repeat(np.arange(len(batch.ranges)), [r.messages - r.no_record for r in batch.ranges])


def _count(
    context: Context, accepted: pl.DataFrame, unchanged: pl.DataFrame, refused: pl.DataFrame,
    repeated: pl.DataFrame | None,
) -> rows.Counts:  # fmt: skip
    """Count marks per message, then messages and marks per range. A deletion of a record in two places is one mark.

    ``repeated``: what an earlier replay has brought in already, unchanged.
    """
    decoded = context.decoded
    messages = len(decoded.messages)
    distinct = bool((decoded.messages["deletions"] > 0).any())

    def per_message(frame: pl.DataFrame) -> npt.NDArray[np.int64]:
        counted = frame.select("message", "item").unique() if distinct else frame
        return np.bincount(counted["message"].to_numpy(), minlength=messages).astype(np.int64)

    counts = rows.Counts(
        marks=(decoded.messages["marks"].to_numpy() + decoded.messages["deletions"].to_numpy()).astype(np.int64),
        accepted=per_message(accepted), unchanged=per_message(unchanged), quarantined=per_message(refused),
    )  # fmt: skip
    if repeated is not None:
        counts.unchanged += per_message(repeated)
    if context.standing is not None and context.refused_before is not None:
        counts.accepted += per_message(context.standing.unique(["message", "item"]))
        counts.quarantined += per_message(context.refused_before)
    range_of = _ranges(decoded.batch)[decoded.messages["record"].to_numpy()]
    for i, r in enumerate(decoded.batch.ranges):
        here = range_of == i
        r.decoded = int(here.sum())
        r.undecodable = r.messages - r.no_record - r.decoded
        r.marks, r.accepted = int(counts.marks[here].sum()), int(counts.accepted[here].sum())
        r.unchanged, r.quarantined = int(counts.unchanged[here].sum()), int(counts.quarantined[here].sum())
    return counts
