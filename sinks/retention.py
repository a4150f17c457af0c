"""Deleting what is older than the law asks to be kept (docs/data-protection.md), month by month of sessions.

Entries of the attendance register are kept for six years (The School Attendance (Pupil Registration) (England)
Regulations 2024). What is older goes everywhere: history and what is made of it, sign-ins, receipts, quarantine,
ledger, rosters; a pupil of whom nothing is left goes out of the crosswalk.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from clickhouse_connect.driver.client import Client

from sinks.erasure import record
from sinks.statements import load

__all__ = ["YEARS", "first_day_kept", "keep"]

#: Years that an entry of the register is kept.
YEARS = 6
_WHOLE = {"mutations_sync": 2}
_INSERT = {"async_insert": 0, "insert_deduplicate": 0}
_TAKEN_IN = "ingested_at < toDateTime64({before:Date}, 3, 'UTC')"
#: Table -> what of it is too old, for tables that are not cut by months of sessions. In the order in which they go: a
#: pupil is looked for in what the others have left.
_OLD: Mapping[str, str] = {
    "quarantine": _TAKEN_IN,
    "quarantine_message": _TAKEN_IN,
    "register_receipt": _TAKEN_IN,
    "ledger": _TAKEN_IN,
    "erased_mark": _TAKEN_IN,
    "message_archive": "arrived_at < toDateTime64({before:Date}, 3, 'UTC')",
    "message_withheld": "at < toDateTime64({before:Date}, 3, 'UTC')",
    "enrolment": "last_day < {before:Date}",
    "group_membership": "last_day < {before:Date}",
    "crosswalk": "pupil_id != 0 AND pupil_id NOT IN (SELECT pupil_id FROM enrolment)"
    " AND pupil_id NOT IN (SELECT pupil_id FROM mark_event)",
}


def first_day_kept(today: date, years: int = YEARS) -> date:
    """The first of the month `years` years before `today`: whole months go, never a day too early."""
    return date(today.year - years, today.month, 1)


def keep(client: Client, before: date, reason: str, *, dry_run: bool = False) -> dict[str, int]:
    """Delete what is older than `before`, a first of a month; returns rows by table. `dry_run` only counts.

    Safe to repeat and to be killed: what was taken in since and is deleted is accounted for first, and `reconcile`
    asks nothing of what came before `before` once a run has begun.
    """
    asked: dict[str, Any] = {"before": before.isoformat()}
    month = before.year * 100 + before.month - (1 if before.month > 1 else 89)
    months = client.query(load("retention_months"), parameters={"last_month": month}).result_rows
    rows: dict[str, int] = {}
    if not dry_run:
        client.command(load("retention_account"), parameters=asked, settings=_INSERT)
        record(client, "retention", reason, before, {})
    for table, partition, number in months:
        rows[table] = rows.get(table, 0) + number
        if not dry_run:
            client.command(f"ALTER TABLE `{table}` DROP PARTITION {int(partition)}")
    for table, condition in _OLD.items():
        counted = client.query(f"SELECT count() FROM `{table}` WHERE {condition}", parameters=asked).result_rows[0][0]
        if counted:
            rows[table] = int(counted)
            if not dry_run:
                client.command(f"ALTER TABLE `{table}` DELETE WHERE {condition}", parameters=asked, settings=_WHOLE)
    if not dry_run:
        record(client, "retention", reason, before, rows)
    return rows
