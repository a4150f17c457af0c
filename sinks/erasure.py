"""Taking a pupil out of ClickHouse (docs/data-protection.md). Nothing is left that says what they are called or did.

Every step may be repeated: what names the pupil goes last, so a run that was killed is finished by the same command.
Deletions are of parts on disk, not of marks on rows; their places stay accounted for (`erased_mark`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from datetime import date, timedelta
from typing import Any

import xxhash
from clickhouse_connect.driver.client import Client

from rollcall.errors import UsageError
from sinks.as_at import sweep
from sinks.derive import derive_counts
from sinks.statements import load

__all__ = ["erase", "forget", "names", "numbers", "pupil", "record", "remains", "schools_on_roll"]

#: A mutation is over when its statement is.
_WHOLE = {"mutations_sync": 2}
_INSERT = {"async_insert": 0, "insert_deduplicate": 0}
#: By these the pupil is found again: after all other tables, the history before the crosswalk.
_LAST = ("mark_event", "crosswalk")


def pupil(client: Client, said: str) -> int:
    """The pupil_id that `said` means: itself, or URN/SCHEME/REF.

    Raises UsageError when it is neither, names nobody, or names several.
    """
    if said.isdecimal() and int(said) < 2**64:
        return int(said)
    urn, _, rest = said.partition("/")
    scheme, _, ref = rest.partition("/")
    if not (urn.isdecimal() and scheme and ref):
        raise UsageError("a pupil is a pupil_id or URN/SCHEME/REF, as 110001/mis/A12")
    asked = {"urn": int(urn), "scheme": scheme, "ref": ref}
    found = [row[0] for row in client.query(load("erase_pupil_named"), parameters=asked).result_rows]
    if len(found) != 1:
        several = f"names {len(found)} pupils: give the pupil_id" if found else "names nobody"
        raise UsageError(f"that reference of school {urn} {several}")
    return int(found[0])


def numbers(client: Client, pupil_id: int) -> list[int]:
    """Every pupil_id of the child whom `pupil_id` means: itself, and those that are merged with it.

    Raises UsageError where a split is in force: what is the child's and what another's must be settled first.
    """
    found: list[int] = []
    open_ends = [pupil_id]
    while open_ends:
        one = open_ends.pop()
        if one not in found:
            found.append(one)
            merged, splits = client.query(load("erase_linked"), parameters={"pupil": one}).result_rows[0]
            if splits:
                raise UsageError(f"{one} is split: `rollcall identity undo`, or settle whose marks are whose, first")
            open_ends += merged
    return found


def names(client: Client, pupil_id: int) -> dict[int, set[tuple[str, str]]]:
    """URN -> (scheme, ref) of everything a pupil is or was called there."""
    found: dict[int, set[tuple[str, str]]] = {}
    for urn, scheme, ref in client.query(load("erase_names"), parameters={"pupil": pupil_id}).result_rows:
        found.setdefault(urn, set()).add((scheme, ref))
    return found


def schools_on_roll(client: Client, pupil_id: int, day: date) -> list[int]:
    """Schools whose roster in force has the pupil on roll on `day`."""
    rows = client.query(load("erase_on_roll"), parameters={"pupil": pupil_id, "day": day.isoformat()}).result_rows
    return [row[0] for row in rows]


def forget(client: Client, pupil_id: int, urns: Sequence[int]) -> None:
    """Let workers know the pupil no more: what comes about them from now on is refused (`ambiguous_pupil`)."""
    client.command(load("erase_forget"), parameters={"pupil": pupil_id}, settings=_INSERT)
    client.command(load("erase_tell"), parameters={"urns": list(urns)}, settings=_INSERT)


def erase(
    client: Client, pupil_id: int, named: Mapping[int, Set[tuple[str, str]]], reasserted: Sequence[int]
) -> dict[str, int]:
    """Delete every row about the pupil, and make the counts they were part of again. Returns rows erased, by table.

    `named`: as `names` gives it; `reasserted`: what receipts call their assertions. The bytes of messages in
    quarantine are streams/erasing.py's. For a moment the counts of those schools and days are not there.
    """
    batch = xxhash.xxh3_64_intdigest(f"erase|{pupil_id}".encode())
    asked = {"pupil": pupil_id, "batch": batch}
    client.command(load("erase_account"), parameters=asked, settings=_INSERT)
    client.command(load("erase_touch"), parameters=asked, settings=_INSERT)
    client.command(load("erase_alias_number"), parameters=asked, settings=_INSERT)
    said_of = "kind = 'pupil-alias' AND key = toString({pupil:UInt64})"
    erased = {
        "register_receipt": _receipts(client, reasserted),
        "kiosk_event": _sign_ins(client, named),
        "reference_version": _delete(client, "reference_version", said_of, asked),
    }
    tables = _tables(client)
    for table in [*(name for name in tables if name not in _LAST), *_LAST]:
        if table == _LAST[0]:
            client.command(load("erase_counts"), parameters=asked, settings=_WHOLE)
            derive_counts(client, [batch])
            client.command("ALTER TABLE touched DELETE WHERE batch = {batch:UInt64}", parameters=asked, settings=_WHOLE)
        erased[table] = _delete(client, table, " OR ".join(tables[table]), asked)
    sweep(client, timedelta(0))  # copies that answer as at a past instant at this moment, or were left behind
    return {table: rows for table, rows in erased.items() if rows}


def remains(client: Client, pupil_id: int, named: Mapping[int, Set[tuple[str, str]]]) -> dict[str, int]:
    """Rows that still say something about the pupil, by table; empty when nothing does."""
    asked = {"pupil": pupil_id}
    found = {
        table: _count(client, table, " OR ".join(about), asked) for table, about in _tables(client).items()
    }  # fmt: skip
    for urn, references in named.items():
        for scheme, ref in references:
            who = {"urn": urn, "scheme": scheme, "ref": ref}
            for table, condition in (
                ("crosswalk", "urn = {urn:UInt32} AND scheme = {scheme:String} AND ref = {ref:String}"),
                ("mark_event", "urn = {urn:UInt32} AND pupil_scheme = {scheme:String} AND pupil_ref = {ref:String}"),
                ("kiosk_event", "urn = {urn:UInt32} AND scheme = {scheme:String} AND person_ref = {ref:String}"),
            ):
                found[table] = max(found.get(table, 0), _count(client, table, condition, who))
    return {table: rows for table, rows in found.items() if rows}


def record(client: Client, kind: str, reason: str, before: date, rows: Mapping[str, int]) -> None:
    """Keep what was done: how much, when and why, never whose. `before`: of retention."""
    client.insert(
        "erasure", [[kind, reason, before, dict(rows)]], column_names=["kind", "reason", "before", "rows_erased"]
    )


def _tables(client: Client) -> dict[str, list[str]]:
    """Table -> conditions, one of which a row about the pupil meets."""
    return {str(table): list(about) for table, about in client.query(load("erase_columns")).result_rows}


def _receipts(client: Client, reasserted: Sequence[int]) -> int:
    if not reasserted:
        return 0
    keys = f"[{', '.join(str(int(key)) for key in reasserted)}]"
    condition = f"hasAny(unchanged_keys, {keys})"
    found = _count(client, "register_receipt", condition, {})
    if found:
        client.command(
            f"ALTER TABLE register_receipt UPDATE unchanged_keys = arrayFilter(k -> NOT has({keys}, k), unchanged_keys)"
            f" WHERE {condition}",
            settings=_WHOLE,
        )
    return found


def _sign_ins(client: Client, named: Mapping[int, Set[tuple[str, str]]]) -> int:
    condition = "urn = {urn:UInt32} AND scheme = {scheme:String} AND person_ref = {ref:String}"
    return sum(
        _delete(client, "kiosk_event", condition, {"urn": urn, "scheme": scheme, "ref": ref})
        for urn, references in named.items()
        for scheme, ref in references
    )


def _delete(client: Client, table: str, condition: str, asked: dict[str, Any]) -> int:
    found = _count(client, table, condition, asked)
    if found:
        client.command(f"ALTER TABLE `{table}` DELETE WHERE {condition}", parameters=asked, settings=_WHOLE)
    return found


def _count(client: Client, table: str, condition: str, asked: dict[str, Any]) -> int:
    return int(client.query(f"SELECT count() FROM `{table}` WHERE {condition}", parameters=asked).result_rows[0][0])
