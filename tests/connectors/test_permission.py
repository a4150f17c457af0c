"""Rule 27: permission that is withdrawn stops pulls at once, wherever they are; real HTTP, real Kafka."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime

from connectors.source_pulls import Plan, state_of
from connectors.sources_file import SourcesFile
from rollcall.settings import Settings
from tests.connectors.conftest import ReadTopic
from tests.connectors.installation import command, define, environment, outcomes, pull, when_asked, words
from tests.connectors.mis import FakeWonde, Trouble, mark
from tests.connectors.puller import MIS, ROSTER, SESSIONS, ids

NOW = datetime(2025, 9, 10, 9, 0, tzinfo=UTC)


def test_rule_27_a_revocation_ends_a_pull_that_waits_for_a_page_and_what_was_read_is_not_sent(
    here: Settings, file: SourcesFile, mis: FakeWonde, urn: int, read_topic: ReadTopic
) -> None:
    """The server holds back its third page for a minute. The first is on Kafka, the second is read and not sent."""
    mis.held[SESSIONS] = [mark(number) for number in range(6)]
    define(file, "wonde", mis, ("A1", urn))
    mis.stuck_on_third_page.set()
    pulling = words(here, "pull", "--json", "--what", "marks")
    with subprocess.Popen(pulling, env=environment(here), stdout=subprocess.PIPE, text=True) as process:
        assert mis.reached_third_page.wait(60)
        assert command(here, "sources", "revoke", "wonde", "--urn", str(urn), "--reason", "left").returncode == 0
        (row,) = json.loads(process.communicate(timeout=50)[0])
    assert (row["outcome"], row["pages"]) == ("stopped", 1)
    assert row["why"].startswith("permission was revoked at ")
    assert row["why"].endswith(": left")
    assert ids(read_topic(MIS, urn)) == ["A900000", "A900001"]
    assert state_of(here, "wonde").load("A1").cursor is None
    mis.stuck_on_third_page.clear()
    asked = len(mis.asked)
    assert pull(here)["wonde"].pulled == []
    assert len(mis.asked) == asked
    assert command(here, "sources", "resume", "wonde", "--urn", str(urn)).returncode == 0
    assert outcomes(pull(here)["wonde"]) == [("A1", "pulled", 6)]


def test_a_page_that_comes_after_the_revocation_is_thrown_away_with_the_one_before_it(
    here: Settings, file: SourcesFile, mis: FakeWonde, urn: int, read_topic: ReadTopic
) -> None:
    mis.held[SESSIONS] = [mark(number) for number in range(6)]
    define(file, "wonde", mis, ("A1", urn))
    with when_asked(mis, SESSIONS, 2, lambda: file.revoke("wonde", None, None, "left", NOW)):
        assert outcomes(pull(here)["wonde"]) == [("A1", "stopped", 0)]
    assert read_topic(MIS, urn) == []
    assert len(mis.queries(SESSIONS)) == 2


def test_a_revocation_in_the_middle_of_a_roster_ends_it_there(
    here: Settings, file: SourcesFile, mis: FakeWonde, urn: int, read_topic: ReadTopic
) -> None:
    define(file, "wonde", mis, ("A1", urn))
    mis.held[SESSIONS] = [mark(1)]
    with when_asked(mis, "A1/students-pre-admission", 1, lambda: file.revoke("wonde", "A1", None, "left", NOW)):
        assert outcomes(pull(here, Plan())["wonde"]) == [("A1", "stopped", 0)]
    assert read_topic(ROSTER, urn) == []
    assert mis.queries(SESSIONS) == []


def test_when_the_file_breaks_in_the_middle_nothing_more_is_sent_until_it_is_mended(
    here: Settings, file: SourcesFile, mis: FakeWonde, urn: int, read_topic: ReadTopic
) -> None:
    """Nobody can say whether the school still permits us."""
    mis.held[SESSIONS] = [mark(number) for number in range(6)]
    define(file, "wonde", mis, ("A1", urn))
    good = file.path.read_text()
    with when_asked(mis, SESSIONS, 2, lambda: file.path.write_text("{") and None):
        (pulled,) = pull(here)["wonde"].pulled
    assert (pulled.outcome, pulled.why.count("\n")) == ("failed", 0)
    assert "sources.json is not JSON" in pulled.why
    assert read_topic(MIS, urn) == []
    file.path.write_text(good)
    assert outcomes(pull(here)["wonde"]) == [("A1", "pulled", 6)]


def test_a_source_all_of_whose_schools_are_revoked_does_not_pull_what_its_token_may_read(
    here: Settings, file: SourcesFile, mis: FakeWonde, urn: int
) -> None:
    """No school left is not the same as no school named, which means all that the source lets us read."""
    define(file, "wonde", mis, ("A1", urn))
    file.revoke("wonde", None, urn, "left", NOW)
    assert pull(here)["wonde"].pulled == []
    assert mis.asked == []


def test_a_school_that_refused_us_is_asked_again_after_resume(
    here: Settings, file: SourcesFile, mis: FakeWonde, urn: int
) -> None:
    define(file, "wonde", mis, ("A1", urn))
    mis.trouble[SESSIONS] = [Trouble(403)]
    assert outcomes(pull(here)["wonde"]) == [("A1", "stopped", 0)]
    asked = len(mis.asked)
    assert outcomes(pull(here)["wonde"]) == [("A1", "stopped", 0)]
    assert len(mis.asked) == asked
    assert "A1" in command(here, "sources", "resume", "wonde", "--school", "A1").stdout
    assert outcomes(pull(here)["wonde"]) == [("A1", "pulled", 0)]
