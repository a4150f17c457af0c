"""Messages sent again, out of quarantine or the archive (streams/replay_of.py): only what they name is taken, and each
entry or mark once.

Nothing here costs a batch anything that holds no replay.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from streams import kernels
from streams.avro import list_lengths
from streams.batch import Batch
from streams.frames import Decoded, Refusal
from streams.replay_of import WHOLE, Replay

if TYPE_CHECKING:
    from streams.steps import Context, TakenOut

__all__ = [
    "JUDGED", "REPLAYS", "TAKEN", "ReplayFinder", "count_once", "judged", "keep_named", "keeps_no_bytes",
    "refuse_unfit", "replays_of", "taken_before", "tally",
]  # fmt: skip

#: One row a decoded replay. ``message``: its row in MESSAGES; ``entry``: number of the message it was sent again for.
REPLAYS = pl.Schema({"message": pl.UInt32, "entry": pl.UInt32, "whole": pl.Boolean})

#: Entries that a replay has closed: the place of the first delivery and the item, and the place of that replay.
TAKEN = pl.Schema(
    {
        "topic_id": pl.String, "partition": pl.UInt16, "offset": pl.UInt64, "item": pl.Int64,
        "replayed_topic_id": pl.String, "replayed_partition": pl.UInt16, "replayed_offset": pl.UInt64,
    }
)  # fmt: skip

#: What became of a named item. ``record``: index in the batch; ``replayed_item``: where the replay's row in quarantine
#: is no entry but part of the first's story: -1 when it was refused whole; _OWN when it is an entry.
JUDGED = pl.Schema({"record": pl.UInt32, "item": pl.Int64, "replayed_item": pl.Int64, "outcome": pl.String})

_OWN = -2

#: Finds, for (topic_id, partition, offset) of first deliveries, the entries of theirs that are closed (TAKEN).
ReplayFinder = Callable[[pl.DataFrame], pl.DataFrame]


def refuse_unfit(frame: pl.DataFrame, batch: Batch, schema_id: int, refusals: list[Refusal]) -> pl.DataFrame:
    """Take out replays that name items which their message does not have; adds a Refusal (``bad_replay``) for each.

    ``frame``: decoded messages with ``record``, ``urn``, ``marks`` and, of a page, ``deletions``.
    """
    if not batch.has_replays:
        return frame
    lengths = list_lengths(frame["marks"])
    if "deletions" in frame.columns:
        lengths = lengths + list_lengths(frame["deletions"])
    fits = []
    for record, urn, items in zip(frame["record"], frame["urn"], lengths, strict=True):
        replay = batch.records[record].replay
        fits.append(replay is None or max(replay.items) < items)
        if not fits[-1]:
            why = f"the header names items that the message does not have; it has {items}"
            refusals.append(Refusal(record, "bad_replay", why, schema_id, max(urn, 0)))
    return frame.filter(pl.Series(fits, dtype=pl.Boolean))


def keep_named(decoded: Decoded) -> None:
    """Of a replay keep the items that it names, and count no others: they are not its marks."""
    if not decoded.batch.has_replays:
        return
    records = decoded.batch.records
    named = [
        (message, item)
        for message, record in enumerate(decoded.messages["record"])
        if (replay := records[record].replay) is not None and not replay.whole
        for item in replay.items
    ]
    if not named:
        return
    wanted = pl.DataFrame(named, schema={"message": pl.UInt32, "item": pl.UInt32}, orient="row")
    partly = wanted["message"].unique().sort()
    wanted = wanted.with_columns(pl.lit(True).alias("named"))

    def keep(frame: pl.DataFrame) -> pl.DataFrame:
        joined = frame.join(wanted, on=["message", "item"], how="left", maintain_order="left")
        return joined.filter(~pl.col("message").is_in(partly.implode()) | pl.col("named").is_not_null()).drop("named")

    decoded.marks, decoded.amendments = keep(decoded.marks), keep(decoded.amendments)
    decoded.deletions = keep(decoded.deletions)
    for column, items in (("marks", decoded.marks), ("deletions", decoded.deletions)):
        counts = np.bincount(items["message"].to_numpy(), minlength=len(decoded.messages)).astype(np.uint32)
        decoded.messages = decoded.messages.with_columns(
            pl.when(pl.int_range(pl.len(), dtype=pl.UInt32).is_in(partly.implode()))
            .then(pl.Series(counts, dtype=pl.UInt32))
            .otherwise(column)
            .alias(column)
        )


def replays_of(decoded: Decoded) -> pl.DataFrame:
    """The decoded replays of a batch (REPLAYS)."""
    numbers: dict[tuple[str, int, int], int] = {}
    rows = []
    for message, record in enumerate(decoded.messages["record"]):
        if (replay := decoded.batch.records[record].replay) is not None:
            rows.append((message, numbers.setdefault(_first(replay), len(numbers)), replay.whole))
    return pl.DataFrame(rows, schema=REPLAYS, orient="row")


def taken_before(decoded: Decoded, marks: pl.DataFrame, replays: pl.DataFrame, find: ReplayFinder) -> pl.DataFrame:
    """(message, item), of ``marks`` and deletions, that another replay of the same entry has brought in already: they
    are unchanged, whatever stands today. A whole message that is sent twice within the batch is taken the first time.
    What the header calls lost again does not count.
    """
    firsts = [_first(_replay(decoded, message)) for message in replays["message"]]
    places = pl.DataFrame(firsts, schema={name: TAKEN[name] for name in list(TAKEN)[:3]}, orient="row")
    found = find(places.unique())
    where = _whereabouts(decoded.batch)
    own = [where[record] for record in decoded.messages["record"].gather(replays["message"])]
    closed = (
        replays.hstack(places)
        .hstack(pl.DataFrame(own, schema={f"own_{name}": TAKEN[name] for name in list(TAKEN)[:3]}, orient="row"))
        .join(found, on=["topic_id", "partition", "offset"], how="inner")
        .filter(
            (pl.col("own_topic_id") != pl.col("replayed_topic_id"))
            | (pl.col("own_partition") != pl.col("replayed_partition"))
            | (pl.col("own_offset") != pl.col("replayed_offset"))
        )
    )
    if lost := [(message, *place) for message in replays["message"] for place in _replay(decoded, message).lost]:
        where_taken = ["message", "replayed_topic_id", "replayed_partition", "replayed_offset"]
        types = [pl.UInt32(), *(TAKEN[name] for name in where_taken[1:])]
        gone = pl.DataFrame(lost, schema=dict(zip(where_taken, types, strict=True)), orient="row")
        closed = closed.join(gone, on=where_taken, how="anti")
    whole = closed.filter(pl.col("item") == WHOLE)["message"].to_list()
    twice = replays.filter("whole").filter(pl.col("message") > pl.col("message").min().over("entry"))
    whole += twice["message"].to_list()
    some = closed.filter(pl.col("item") >= 0).select("message", pl.col("item").cast(pl.UInt32))
    walking = pl.concat([marks.select("message", "item"), decoded.deletions.select("message", "item")])
    closed_items = pl.concat([some, walking.filter(pl.col("message").is_in(whole))]).unique()
    return walking.join(closed_items, on=["message", "item"], how="semi")


def count_once(marks: pl.DataFrame, context: Context) -> tuple[pl.DataFrame, list[TakenOut]]:
    """An entry that is replayed twice within the batch is taken once; refuses nothing.

    Needs ``verdict``, ``stands``. Changes ``verdict``: UNCHANGED for an item that an earlier replay has brought in, or
    found unchanged: a mark between the two may have made news of it.
    """
    if context.replays is None:
        return marks, []
    rows = (
        marks.select("message", "item", "stands", "verdict")
        .with_row_index("row")
        .join(context.replays.filter(~pl.col("whole")), on="message", how="inner")
        .filter((pl.col("message") > pl.col("message").min().over("entry", "item")) & ~pl.col("stands"))
        .filter(pl.col("verdict") != kernels.UNCHANGED)
    )
    if not len(rows):
        return marks, []
    verdict = marks["verdict"].to_numpy().copy()
    verdict[rows["row"].to_numpy()] = kernels.UNCHANGED
    return marks.with_columns(pl.Series("verdict", verdict)), []


def judged(
    decoded: Decoded, accepted: pl.DataFrame, refused: pl.DataFrame, refused_whole: frozenset[int]
) -> pl.DataFrame:
    """What became of every item that the batch's replays name (JUDGED).

    ``accepted``, ``refused``: (message, item), those that stood before among them; ``refused_whole``: records that
    stood in quarantine as whole messages. What is in none of them is unchanged. A replay that cannot be believed is an
    entry of its own, and so is what is refused of one out of the archive: it was in no table.
    """
    records = decoded.batch.records
    lost = {*refused_whole, *(r.record for r in decoded.refusals)}
    bad = {r.record for r in decoded.refusals if r.reason == "bad_replay"}
    rows = []
    ends = {name: set(frame.select("message", "item").iter_rows()) for name, frame in
            (("accepted", _of_replays(decoded, accepted)), ("refused", _of_replays(decoded, refused)))}  # fmt: skip
    number = {record: message for message, record in enumerate(decoded.messages["record"])}
    for i, record in enumerate(records):
        replay = record.replay
        if replay is None or replay.trouble or i in bad:
            continue
        for item in replay.items:
            if i in lost:
                rows.append((i, item, _OWN if replay.from_archive else WHOLE, "refused"))
            elif i not in number:
                break  # it stood in quarantine as a bad replay
            elif item == WHOLE:
                rows.append((i, item, WHOLE, "accepted"))
            else:
                place = (number[i], item)
                outcome = next((name for name in ("accepted", "refused") if place in ends[name]), "unchanged")
                rows.append((i, item, _OWN if replay.from_archive and outcome == "refused" else item, outcome))
    return pl.DataFrame(rows, schema=JUDGED, orient="row")


def keeps_no_bytes(decoded: Decoded, record: int) -> bool:
    """Whether what is refused of a record has its bytes in quarantine already: its entry's are those of the first
    delivery. Marks that a whole message brings for the first time are entries of their own, and all that is refused of
    one out of the archive.
    """
    replay = decoded.batch.records[record].replay
    if replay is None or replay.trouble or replay.from_archive:
        return False
    refusal = next((r for r in decoded.refusals if r.record == record), None)
    return not replay.whole if refusal is None else refusal.reason != "bad_replay"


def tally(outcomes: pl.DataFrame) -> dict[str, int]:
    """Judged items by outcome, for the metric."""
    return dict(Counter(outcomes["outcome"].to_list()))


def _of_replays(decoded: Decoded, frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select("message", "item").join(replays_of(decoded).select("message"), on="message", how="semi")


def _first(replay: Replay) -> tuple[str, int, int]:
    return replay.topic_id, replay.partition, replay.offset


def _replay(decoded: Decoded, message: int) -> Replay:
    replay: Replay | None = decoded.batch.records[decoded.messages["record"][message]].replay
    assert replay is not None
    return replay


def _whereabouts(batch: Batch) -> list[tuple[str, int, int]]:
    """Topic id, partition and offset of each record."""
    return [(r.topic.uuid, r.partition, r.offset) for r in batch.records]
