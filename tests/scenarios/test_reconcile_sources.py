"""`rollcall reconcile --source` on the real stack: every planted difference is found, and nothing where there is none.

One MIS with a school for each thing that is planted is pulled onto Kafka, and a worker writes what came. Compared then,
all are equal. After that each school gets its own trouble, and the command is run once for all of them.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest
from typer.testing import CliRunner

from connectors.contract import Window
from connectors.source_pulls import Plan
from rollcall.cli._account import as_json
from rollcall.cli._second_pull import by_pull
from rollcall.cli.app import build
from rollcall.settings import Settings
from sinks import reference
from sinks.migrate import migrate
from tests.connectors.conftest import make_topics
from tests.connectors.installation import define, outcomes, pull
from tests.connectors.mis import TOKEN, FakeWonde
from tests.connectors.server import Answer
from tests.reference.conftest import applied, calendar, pupil, roster, school
from tests.scenarios.planted import DAYS, LATER, LONG_AGO, PLANTED, PUPILS, Town, pupil_ref
from tests.scenarios.reconciling import reconcile, settle_pages
from tests.streams.rig import Rig

NAMES = [*PLANTED, "a page that cannot be read", "a refusal", "permission revoked"]
FIRST_URN = 760_001
URN = {name: FIRST_URN + number for number, name in enumerate(NAMES)}


class Scene:
    """The installation, its MIS, and what the command says."""

    def __init__(self, rig: Rig, settings: Settings, mis: FakeWonde) -> None:
        self.rig, self.settings, self.mis = rig, settings, mis
        self.towns = {name: Town(mis, number, URN[name]) for number, name in enumerate(NAMES)}

    def reconcile(self, *options: str) -> tuple[int, dict[str, Any]]:
        """Exit code and document of `rollcall reconcile --source wonde`."""
        done = self.run(*options, "--json")
        assert done.returncode in (0, 1), done.stderr[-2000:]
        return done.returncode, json.loads(done.stdout)

    def run(self, *options: str) -> subprocess.CompletedProcess[str]:
        return reconcile(self.settings, "--source", "wonde", *options)

    def states(self) -> dict[str, str]:
        """What every school's state is, as it is on the disk."""
        folder = self.settings.home / "connectors" / "state" / "wonde"
        return {file.name: file.read_text() for file in folder.glob("*.json")}


WINDOW = ("--window", DAYS[0], DAYS[-1])


@pytest.fixture(scope="module")
def scene(
    stack: Any, stack_home: Path, registered: dict[str, int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    make_topics(stack.kafka)
    database = f"test_{uuid.uuid4().hex[:12]}"
    client = clickhouse_connect.get_client(host=stack.clickhouse_host, port=stack.clickhouse_port)
    migrate(client, database)
    rig = Rig(stack_home, database, registered)
    reference.apply(rig.client, [one for urn in URN.values() for one in _known(urn)], {})
    settings = Settings.load(
        home=tmp_path_factory.mktemp("installation"),
        kafka={"bootstrap": stack.kafka},
        registry={"url": stack.registry},
        clickhouse={"host": stack.clickhouse_host, "port": stack.clickhouse_port, "database": database},
    )
    mis = FakeWonde(per_page=20)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GOOD_TOKEN", TOKEN)
        made = Scene(rig, settings, mis)
        for name, planted in PLANTED.items():
            planted.before(made.towns[name])
        define(_file(settings), "wonde", mis, *((town.school, town.urn) for town in made.towns.values()))
        (done,) = pull(settings).values()
        assert {outcome for _, outcome, _ in outcomes(done)} == {"pulled"}
        with rig.worker():
            settle_pages(made.rig)
            yield made
    mis.close()
    rig.close()
    client.command(f"DROP DATABASE {database} SYNC")
    client.close()


@pytest.fixture(scope="module")
def before(scene: Scene) -> tuple[int, dict[str, Any]]:
    """What is said when nothing is planted yet."""
    return scene.reconcile(*WINDOW)


@pytest.fixture(scope="module")
def after(scene: Scene, before: Any) -> dict[str, dict[str, Any]]:
    """What is said of each school when everything is planted: by the name of what is planted there."""
    sent = [message for name, planted in PLANTED.items() for message in planted.then(scene.towns[name]) or ()]
    scene.rig.settle(*scene.rig.send(*sent))
    unreadable, refusing, revoked = (scene.towns[name] for name in NAMES[-3:])
    scene.mis.trouble[f"{unreadable.school}/attendance/session"] = [Answer(body=b"<html>")] * 3
    scene.mis.trouble[f"{refusing.school}/attendance/session"] = [Answer(403)]
    _file(scene.settings).revoke("wonde", None, revoked.urn, "the head asked for it", datetime.now(UTC))
    states, scene.mis.asked = scene.states(), []
    code, document = scene.reconcile(*WINDOW)
    assert code == 1
    assert scene.states() == states
    by_urn = {one["urn"]: one for one in document["schools"]}
    return {name: by_urn[urn] for name, urn in URN.items()}


def test_everything_is_equal_before_anything_is_planted(before: tuple[int, dict[str, Any]]) -> None:
    code, document = before
    assert (code, document["equal"], len(document["schools"])) == (0, True, len(NAMES))
    whole = document["schools"][0]
    assert (whole["theirs"], whole["ours"], whole["same"], whole["differences"]) == (42, 42, 42, {})


@pytest.mark.parametrize("name", PLANTED)
def test_planted(after: dict[str, dict[str, Any]], name: str) -> None:
    said = after[name]
    found = [(one["kind"], _place(one["theirs"]), _place(one["ours"])) for one in said["records"]]
    assert sorted(found, key=str) == sorted(PLANTED[name].found, key=str)
    assert sum(cell["difference"] for cell in said["cells"]) == len(found)
    assert said["equal"] == (not found)


def test_what_is_no_difference_is_counted_in_its_own_column(after: dict[str, dict[str, Any]]) -> None:
    (cell,) = after["a mark in quarantine"]["cells"]
    assert (cell["date"], cell["session"], cell["code"]) == (DAYS[1], "AM", "N")
    assert (cell["theirs"], cell["ours"], cell["quarantined"]) == (1, 0, 1)
    assert cell["reasons"] == {"unknown_pupil": 1}
    for name in ("a change not pulled yet", "a deletion not pulled yet", "a mark not pulled yet"):
        (cell,) = (cell for cell in after[name]["cells"])
        assert (cell["not_pulled_yet"], cell["difference"]) == (1, 0)


def test_a_mark_of_another_pupil_says_so_and_names_nobody(after: dict[str, dict[str, Any]]) -> None:
    assert after["a mark of another pupil"]["records"][0]["same_pupil"] is False
    assert after["a wrong day"]["records"][0]["same_pupil"] is True
    assert "A1000" not in json.dumps(after)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("a page that cannot be read", "a page of attendance/session cannot be read"),
        ("a refusal", "403"),
        ("permission revoked", "permission was revoked"),
    ],
)
def test_a_school_that_was_not_read_whole_is_said_to_be_so(
    scene: Scene, after: dict[str, dict[str, Any]], name: str, why: str
) -> None:
    said = after[name]
    assert not said["compared"]
    assert not said["equal"]
    assert why in said["why"]
    assert "records" not in said


def test_a_school_whose_permission_is_revoked_is_not_asked(scene: Scene, after: dict[str, dict[str, Any]]) -> None:
    school_id = scene.towns["permission revoked"].school
    assert scene.mis.asked
    assert not [path for path, _ in scene.mis.asked if path.split("/")[0] == school_id]


def test_summaries(scene: Scene, after: Any) -> None:
    """One school equal, with two records for one student; one with another count; one that refuses."""
    equal, wrong, refusing = (scene.towns[name] for name in ("nothing", "a wrong code", "a wrong day"))
    for town in (equal, wrong):
        path = f"{town.school}/attendance-summaries"
        scene.mis.held[path] = [_summary(number, {"/": 6}) for number in range(PUPILS)]
    held = scene.mis.held[f"{equal.school}/attendance-summaries"]
    held.insert(3, _summary(0, {"/": 2}, updated_at={"date": "2025-09-09 18:00:00.000000", "timezone": "UTC"}))
    held[1] = _summary(1, {"/": "6", "#": 3, "N": "null"}, possible_marks="None")
    scene.mis.held[f"{wrong.school}/attendance-summaries"][2] = _summary(2, {"/": 5, "N": 1})
    scene.mis.held[f"{wrong.school}/attendance-summaries"][3] = _summary(3, {"/": 4}, LATER)
    scene.mis.trouble[f"{refusing.school}/attendance-summaries"] = [Answer(403)]
    asked = [word for town in (equal, wrong, refusing) for word in ("--school", str(town.urn))]
    code, document = scene.reconcile("--by", "summary", "--today", "2025-09-12", *asked)
    said = {one["urn"]: one for one in document["schools"]}
    assert (code, document["from"], document["until"]) == (1, "2025-09-01", "2025-09-12")
    assert said[equal.urn]["equal"]
    assert (said[equal.urn]["pupils"], said[equal.urn]["superseded_summaries"]) == (PUPILS, 1)
    assert {"code": "#", "theirs": 3, "ours": 0, "pupils_differing": 0, "compared": False} in said[equal.urn]["codes"]
    assert (said[wrong.urn]["pupils_differing"], said[wrong.urn]["not_pulled_yet"]) == (1, 1)
    assert {"code": "N", "theirs": 1, "ours": 0, "pupils_differing": 1, "compared": True} in said[wrong.urn]["codes"]
    assert (said[refusing.urn]["compared"], "403" in said[refusing.urn]["why"]) == (False, True)


def test_the_schools_page_shows_the_sources_own_rate_beside_ours_with_the_difference(scene: Scene, after: Any) -> None:
    """Five pupils have six `/`, the sixth five and an N: 35 of 36 there. We hold six `/` of hers, too."""
    wrong, refusing, other = (scene.towns[name] for name in ("a wrong code", "a wrong day", "nothing"))
    path = f"{wrong.school}/attendance-summaries"
    scene.mis.held[path] = [_summary(number, {"/": 6}) for number in range(PUPILS)]
    scene.mis.held[path][2] = _summary(2, {"/": 5, "N": 1})
    scene.mis.trouble[f"{refusing.school}/attendance-summaries"] = [Answer(403)]
    document, text = (_page_of(scene, wrong.urn, *more) for more in (("--json",), ()))
    (said,) = json.loads(document)["mis"]
    assert (said["source"], said["why"], said["pupils"]) == ("wonde", "", PUPILS)
    assert said["theirs"] == {"possible": 36, "attendance": 35, "unknown": 0}
    assert {code["code"]: (code["theirs"], code["pupils"]) for code in said["codes"]} == {"/": (35, 1), "N": (1, 1)}
    assert "wonde: 97.22 % by its own count of 6 pupils, 100.00 % by what we hold of it for them." in text
    assert "Code N: 1 there, 0 held; it is another number for 1 pupil." in text
    assert str(other.urn) not in text
    (said,) = json.loads(_page_of(scene, refusing.urn, "--json"))["mis"]
    assert "403" in said["why"]


def test_a_whole_pull_of_the_days_brings_what_was_missing(scene: Scene, after: Any) -> None:
    """What the runbook says to do. Wonde tells of deletions: what it did not take back stays, and goes on showing."""
    window = Window(date.fromisoformat(DAYS[0]), date.fromisoformat(DAYS[-1]))
    pull(scene.settings, Plan(what="marks", window=window))
    settle_pages(scene.rig)
    accounts = asyncio.run(by_pull(scene.settings, scene.rig.client, window, ["wonde"], [], None))
    by_urn = {one["urn"]: one for one in as_json(accounts)}
    for name, planted in PLANTED.items():
        left = [_left(kind, ours) for kind, _, ours in planted.found if kind not in ("missing", "code")]
        if name == "a record made anew":
            left = [("repeated", ours) for _, ours in left]
        said = by_urn[URN[name]]
        assert [(one["kind"], _place(one["ours"])) for one in said["records"]] == left, name


def _page_of(scene: Scene, urn: int, *options: str) -> str:
    page = ("report", "school", str(urn), "--date", DAYS[-1], "--ask-mis", *options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROLLCALL_HOME", str(scene.settings.home))
        patch.setenv("ROLLCALL_REGISTRY__URL", scene.settings.registry.url)
        patch.setenv("ROLLCALL_CLICKHOUSE__HOST", scene.settings.clickhouse.host)
        patch.setenv("ROLLCALL_CLICKHOUSE__PORT", str(scene.settings.clickhouse.port))
        patch.setenv("ROLLCALL_CLICKHOUSE__DATABASE", scene.settings.clickhouse.database)
        result = CliRunner().invoke(build(), list(page))
    assert result.exit_code == 0, result.output
    return str(result.stdout)


def _left(kind: str, ours: Any) -> tuple[str, Any]:
    """What is left of a difference when the source's mark is there: of a moved record its old place."""
    return "kept" if kind == "moved" else kind, ours


def _known(urn: int) -> list[Any]:
    everybody = roster(urn, *(pupil(f"wonde:{pupil_ref(number)}") for number in range(PUPILS)))
    return [applied("school", school(urn)), applied("roster", everybody), applied("calendar", calendar(urn))]


def _file(settings: Settings) -> Any:
    from connectors.sources_file import SourcesFile

    return SourcesFile(settings.sources_file)


def _place(place: dict[str, Any] | None) -> Any:
    return None if place is None else (place["date"], place["session"], place["period"], place["code"])


def _summary(number: int, codes: dict[str, Any], at: datetime = LONG_AGO, **fields: Any) -> dict[str, Any]:
    updated = {"date": f"{at:%Y-%m-%d %H:%M:%S.%f}", "timezone_type": 3, "timezone": "UTC"}
    return {
        "student": pupil_ref(number),
        "possible_marks": 6,
        "attendance_codes": codes,
        "updated_at": updated,
    } | fields
