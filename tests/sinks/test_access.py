"""Who may see which schools: what is granted by school, LA and trust, and that no view is granted without a policy."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from typing import Any

import pytest

from rollcall.domain.clock import london_date, now
from rollcall.domain.codes import CODES
from rollcall.errors import UsageError
from sinks import access
from sinks.migrate import committed
from tests.sinks import rows

TODAY = london_date(now())
WHY = {"author": "data manager", "reason": "of a test"}
#: Views that scoped users read in full: there is no school in them, or they are of the user who asks.
WITHOUT_POLICY = {"code_categories", "schools_in_scope"}


@pytest.fixture
def estate(clickhouse: Any) -> Any:
    """Two schools of Birmingham, one of them in a trust, and one of Coventry that left that trust."""
    rows.school(clickhouse, 100001, trust_id="7")
    rows.school(clickhouse, 100002)
    left = TODAY - timedelta(days=30)
    rows.school(clickhouse, 100003, la_code="331", trust_id="7", valid_to=left)
    rows.school(clickhouse, 100003, la_code="331", trust_id="", valid_from=left + timedelta(days=1))
    return clickhouse


def grant(client: Any, kind: str, value: str, user: str = "office", **days: date) -> access.Said:
    return access.grant(client, user, kind, value, **WHY, **{"valid_from": TODAY, **days})


def test_a_grant_is_of_schools_an_la_or_a_trust_as_they_are_today(estate: Any) -> None:
    assert access.schools(estate, "office") == []
    grant(estate, "urn", "100002")
    assert access.schools(estate, "office") == [100002]
    grant(estate, "trust", "7", user="trust-lead")
    assert access.schools(estate, "trust-lead") == [100001]
    grant(estate, "la", "331", user="la-lead")
    assert access.schools(estate, "la-lead") == [100003]
    grant(estate, "la", "330", user="la-lead")
    assert access.schools(estate, "la-lead") == [100001, 100002, 100003]
    assert access.schools(estate, "OFFICE") == []


def test_a_school_that_no_reference_knows_yet_may_be_granted(estate: Any) -> None:
    grant(estate, "urn", "100099")
    assert access.schools(estate, "office") == [100099]


def test_access_has_a_first_and_a_last_day(estate: Any) -> None:
    grant(estate, "urn", "100001", valid_from=TODAY + timedelta(days=1))
    grant(estate, "urn", "100002", valid_from=TODAY - timedelta(days=9), valid_to=TODAY - timedelta(days=1))
    assert access.schools(estate, "office") == []
    grant(estate, "urn", "100002", valid_from=TODAY - timedelta(days=9), valid_to=TODAY)
    assert access.schools(estate, "office") == [100002]


def test_what_is_taken_back_is_gone_at_once_and_stays_to_be_seen(estate: Any) -> None:
    grant(estate, "urn", "100001")
    grant(estate, "trust", "7")
    access.revoke(estate, "office", "urn", "100001", **WHY)
    assert access.schools(estate, "office") == [100001]  # by the trust
    access.revoke(estate, "office", "trust", "7", **WHY)
    assert access.schools(estate, "office") == []
    assert [(one.kind, one.granted) for one in access.listed(estate, "office")] == [("trust", False), ("urn", False)]
    assert estate.query("SELECT count() FROM access_scope FINAL").result_rows == [(4,)]
    with pytest.raises(UsageError, match="has no access to urn 100001"):
        access.revoke(estate, "office", "urn", "100001", **WHY)


@pytest.mark.parametrize(
    ("user", "kind", "value"),
    [
        ("", "urn", "100001"),
        ("a' OR 1", "urn", "100001"),
        ("office", "urn", "0"),
        ("office", "urn", "100001 OR 1"),
        ("office", "la", ""),
        ("office", "trust", ""),
        ("office", "country", "1"),
    ],
)
def test_what_cannot_be_a_scope_is_refused(clickhouse: Any, user: str, kind: str, value: str) -> None:
    with pytest.raises(UsageError):
        grant(clickhouse, kind, value, user=user)
    assert access.listed(clickhouse) == []


def test_the_view_that_policies_ask_says_what_the_front_asks(estate: Any) -> None:
    """On the embedded engine everybody is `default`: so the view can be asked for one user."""
    for kind, value in (("la", "330"), ("trust", "7"), ("urn", "100003"), ("urn", "100001")):
        grant(estate, kind, value, user="default")
        seen = estate.query("SELECT urn FROM schools_in_scope ORDER BY urn").result_rows
        assert [urn for (urn,) in seen] == access.schools(estate, "default") != []
        access.revoke(estate, "default", kind, value, **WHY)
    assert estate.query("SELECT * FROM schools_in_scope").result_rows == []


def test_the_commands_grant_list_and_take_back(estate: Any, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from rollcall.cli.app import build

    monkeypatch.setenv("ROLLCALL_HOME", str(settings.home))
    monkeypatch.setenv("ROLLCALL_CLICKHOUSE__DATABASE", settings.clickhouse.database)

    def run(*arguments: str) -> Any:
        done = CliRunner().invoke(build(), ["access", *arguments], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    why = ("--author", "data manager", "--reason", "of a test", "--json")
    run("grant", "office", "--urn", "100002", "--trust", "7", "--until", "2031-08-31", *why)
    found = run("list", "--user", "office", "--json")
    assert found["schools"] == [100001, 100002]
    assert [(one["kind"], one["value"], one["valid_to"]) for one in found["access"]] == [
        ("trust", "7", "2031-08-31"),
        ("urn", "100002", "2031-08-31"),
    ]
    run("revoke", "office", "--trust", "7", *why)
    assert run("list", "--user", "office", "--json")["schools"] == [100002]


def statements() -> list[str]:
    """Of every migration for servers, in one line each."""
    served = [one for one in committed() if one.needs_access_management]
    return [" ".join(text.split()) for one in served for text in one.statements("rollcall")]


def granted() -> set[str]:
    found = [re.fullmatch(r"GRANT SELECT ON (\w+) TO rollcall_scoped", text) for text in statements()]
    return {one[1] for one in found if one}


def test_no_view_is_granted_to_scoped_users_without_a_policy() -> None:
    """A new view that is granted without one fails here: its rows would be every school's."""
    policies = [text for text in statements() if text.startswith("CREATE ROW POLICY")]
    scope = "USING urn IN (SELECT urn FROM `rollcall`.schools_in_scope) AS RESTRICTIVE TO rollcall_scoped"
    for view in granted() - WITHOUT_POLICY:
        on = f"ON `rollcall`.{view} FOR SELECT"
        assert f"CREATE ROW POLICY IF NOT EXISTS rollcall_scoped {on} {scope}" in policies
        assert f"CREATE ROW POLICY IF NOT EXISTS rollcall_everybody {on} USING 1 TO ALL" in policies
    assert len(policies) == 2 * len(granted() - WITHOUT_POLICY) > 0
    # Nothing is given to the role in any other way.
    to_role = [text for text in statements() if text.startswith("GRANT") and "rollcall_scoped" in text]
    assert len(to_role) == len(granted())


def test_every_view_with_a_policy_has_a_school_and_every_other_has_none(clickhouse: Any) -> None:
    found = clickhouse.query(
        "SELECT t.name, (t.name, 'urn') IN (SELECT table, name FROM system.columns WHERE database = currentDatabase())"
        " FROM system.tables AS t WHERE t.database = currentDatabase() AND t.engine = 'View'"
    )
    has_school = dict(found.result_rows)
    assert granted() <= has_school.keys()
    assert all(has_school[view] for view in granted() - WITHOUT_POLICY)
    assert not has_school["code_categories"]


def test_the_condition_of_the_policies_leaves_one_school_in_every_view(clickhouse: Any, settings: Any) -> None:
    """What a server adds to each view by its policy, asked here of each view itself; `default` is the user who asks."""
    rows.code_map(clickhouse, {code.code: code.code for code in CODES})
    for urn, pupils in ((100001, (1, 2)), (100002, (11, 12))):
        rows.school(clickhouse, urn)
        rows.calendar(clickhouse, urn)
        rows.timetable(clickhouse, urn)
        rows.roster(clickhouse, urn, [rows.pupil(one) for one in pupils])
    odd: dict[str, Any] = {"exceptions": ("upn_invalid",)}
    rows.history(clickhouse, [rows.mark(1, "/", **odd), rows.mark(11, "/", urn=100002, **odd)])
    grant(clickhouse, "urn", "100001", user="default")
    database, seen = settings.clickhouse.database, set()
    for view in sorted(granted() - WITHOUT_POLICY):
        scope = f"urn IN (SELECT urn FROM `{database}`.schools_in_scope)"
        # Most of these are asked for a date: without one they say what is missing on every day that ever was.
        dated = f" AND session_date = '{rows.DAY}'" if "session_date" in columns(clickhouse, view) else ""
        found = clickhouse.query(f"SELECT DISTINCT urn FROM {view} WHERE {scope}{dated}").result_rows
        assert found in ([], [(100001,)]), view
        seen |= {view} if found else set()
    assert seen >= {"schools", "marks_current", "marks_history", "school_days", "marks_missing", "roll", "data_quality"}


def columns(client: Any, view: str) -> set[str]:
    return {name for name, *_ in client.query(f"DESCRIBE {view}").result_rows}


def test_policies_come_before_the_grant_that_needs_them() -> None:
    """A run that is killed between two statements leaves no view open."""
    texts = statements()
    for view in granted() - WITHOUT_POLICY:
        policy = next(place for place, text in enumerate(texts) if f"rollcall_scoped ON `rollcall`.{view} " in text)
        assert policy < texts.index(f"GRANT SELECT ON {view} TO rollcall_scoped")
