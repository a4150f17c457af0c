"""Writing a batch: history, quarantine, receipts. Each table's rows are one block, so each insert is all or nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
from clickhouse_connect.driver.client import Client

from sinks.statements import load

__all__ = ["Writer"]

#: ClickHouse cuts an insert into blocks of this many rows (max_insert_block_size); a batch must stay within one.
MAX_BLOCK_ROWS = 1_048_449

_INSERT = {"async_insert": 0, "optimize_on_insert": 0, "deduplicate_blocks_in_dependent_materialized_views": 1}


class Writer:
    """Writes and re-reads the tables of sinks/migrations/0001_history.sql."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def client(self) -> Client:
        """The client it writes with."""
        return self._client

    def insert(self, table: str, rows: pa.Table, token: str) -> None:
        """Insert ``rows`` as one block, or nothing. ``token``: the same block again with the same token is not inserted
        twice, while this process lives; across restarts only delivery identity counts.
        """
        for start in range(0, rows.num_rows, MAX_BLOCK_ROWS):
            part = rows.slice(start, MAX_BLOCK_ROWS)
            settings = {**_INSERT, "insert_deduplication_token": f"{token}:{table}:{start}"}
            self._client.insert_arrow(table, part.combine_chunks(), settings=settings)

    def records(self, wanted: pl.DataFrame) -> pl.DataFrame:
        """Places in mark_event of the records of ``wanted`` (urn, source, record_id): what deletions take over."""
        schema = {
            "urn": pl.UInt32, "source": pl.String, "record_id": pl.String, "day": pl.Int32, "session": pl.UInt8,
            "period": pl.String, "pupil_id": pl.UInt64, "year_group": pl.String, "in_scope": pl.Boolean,
        }  # fmt: skip
        parameters = {
            "urns": wanted["urn"].unique().sort().to_list(),
            "sources": wanted["source"].unique().sort().to_list(),
            "record_ids": wanted["record_id"].unique().sort().to_list(),
        }
        return self._frame("writer_records", parameters, schema)

    def taken(self, wanted: pl.DataFrame) -> pl.DataFrame:
        """Entries of quarantine that a replay has closed, of the messages first delivered at ``wanted`` (topic_id,
        partition, offset) and perhaps of more: their place and item, and the place of the replay.
        """
        schema = {
            "topic_id": pl.String, "partition": pl.UInt16, "offset": pl.UInt64, "item": pl.Int64,
            "replayed_topic_id": pl.String, "replayed_partition": pl.UInt16, "replayed_offset": pl.UInt64,
        }  # fmt: skip
        names = {"topic_ids": "topic_id", "partitions": "partition", "offsets": "offset"}
        parameters = {name: wanted[column].unique().sort().to_list() for name, column in names.items()}
        return self._frame("writer_taken", parameters, schema)

    def standing(self, range_: dict[str, Any], days: list[str], urns: list[int]) -> tuple[pl.DataFrame, pl.DataFrame]:
        """What stands of a range: marks of the history (offset, item, urn, day, session, period, pupil_id, record_id,
        source, version, content) and of quarantine (offset, item, reason). ``days`` (ISO) and ``urns`` bound the search
        in the history.
        """
        marks = self._frame(
            "recovery_standing_marks",
            {**range_, "days": days, "urns": urns},
            {
                "offset": pl.UInt64, "item": pl.UInt32, "urn": pl.UInt32, "day": pl.Int32, "session": pl.UInt8,
                "period": pl.String, "pupil_id": pl.UInt64, "record_id": pl.String, "version": pl.UInt64,
                "content": pl.UInt64,
            },
        )  # fmt: skip
        return marks, self._frame(
            "recovery_standing_quarantine", range_, {"offset": pl.UInt64, "item": pl.Int32, "reason": pl.String}
        )

    def rebuild(self, range_: dict[str, Any], days: list[str], urns: list[int], batch: int) -> None:
        """Write mark_assertion, period_current and touched again for what stands of a range: views are not atomic with
        their source.
        """
        parameters = {**range_, "days": days, "urns": urns, "batch": batch}
        for name in ("recovery_rebuild_assertions", "recovery_rebuild_periods", "recovery_rebuild_touched"):
            self._client.command(load(name), parameters=parameters, settings={"async_insert": 0})

    def counts(self, range_: dict[str, Any], days: list[str], urns: list[int]) -> dict[str, int]:
        """Counts of a range as the tables hold them: decoded, marks, accepted, unchanged, quarantined, undecodable."""
        row = self._client.query(load("recovery_counts"), parameters={**range_, "days": days, "urns": urns}).first_item
        return {name: int(value) for name, value in (row or {}).items()}

    def assertions(
        self, topic_id: str, partitions: list[int], below: list[int], days: list[str]
    ) -> tuple[pa.Table, pa.Table]:
        """Assertions in force of partitions and dates, of sessions and of periods.

        Columns: urn, day, session, pupil_id, source, record_id, version, content; for periods also period.
        ``below``: for each of ``partitions`` the offset from which on rows are left out (they are yet to be read).
        """
        parameters = {"topic_id": topic_id, "partitions": partitions, "below": below, "days": days}
        marks = self._client.query_arrow(load("suppression_assertions"), parameters=parameters, use_strings=True)
        periods = self._client.query_arrow(load("suppression_periods"), parameters=parameters, use_strings=True)
        return marks, periods

    def reasserted(self, topic_id: str, partitions: list[int], below: list[int], days: list[str]) -> pa.Table:
        """Re-assertions of partitions and dates, bounded as `assertions`: key, version."""
        parameters = {"topic_id": topic_id, "partitions": partitions, "below": below, "days": days}
        return self._client.query_arrow(load("suppression_reasserted"), parameters=parameters)

    def pupil_sessions(self, days: list[str]) -> npt.NDArray[np.uint64]:
        """The pupil-sessions of ``days`` (ISO) that have an assertion (streams.kernels.pupil_session_keys)."""
        table = self._client.query_arrow(load("known_pupil_sessions"), parameters={"days": days})
        return np.asarray(table.column(0).to_numpy(), np.uint64) if table.num_columns else np.zeros(0, np.uint64)

    def _frame(self, name: str, parameters: dict[str, Any], schema: dict[str, Any]) -> pl.DataFrame:
        table = self._client.query_arrow(load(name), parameters=parameters, use_strings=True)
        frame = pl.from_arrow(table)
        assert isinstance(frame, pl.DataFrame)
        return (
            frame.select(pl.col(column).cast(kind) for column, kind in schema.items())
            if table.num_columns
            else pl.DataFrame(schema=schema)
        )
