"""The sources of an installation: what is taken, what is refused and how it is said, what survives whom."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from connectors import sources_import
from connectors.sources import WrongSources, access_of, parse
from connectors.sources_file import SourcesFile, entry_names
from rollcall.cli.app import build
from rollcall.errors import ConfigError, UsageError

NOW = datetime(2025, 9, 10, 9, 0, tzinfo=UTC)
CSV_HEAD = "make,name,base_url,secret,id,urn,code_scheme,school_secret,from,until,option.zone\n"


def document(*schools: dict[str, Any], **changed: Any) -> dict[str, Any]:
    source = {"make": "wonde", "base_url": "https://api.wonde.com/v1.0", "secret": "env:TOKEN", **changed}
    return {"sources": [{**source, "schools": list(schools)}]}


def school(number: int, **changed: Any) -> dict[str, Any]:
    return {"id": f"A{number}", "urn": 100_000 + number, **changed}


def sources(*schools: dict[str, Any], **changed: Any) -> Any:
    written = document(*schools, **changed)
    return parse(written, entry_names(written))


def rollcall(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(build(), [*arguments, "--home", str(home)])


@pytest.fixture
def file(tmp_path: Path) -> SourcesFile:
    return SourcesFile(tmp_path / "sources.json")


# ---- import: all of it, or nothing and every row that is wrong


@pytest.mark.parametrize("ending", ["toml", "json", "csv"])
def test_48_schools_of_several_systems_are_taken_from_one_file(tmp_path: Path, ending: str) -> None:
    north = [school(number) for number in range(24)]
    south = [school(number + 24, code_scheme="local") for number in range(24)]
    both = {"sources": [*document(*north)["sources"], *document(*south, name="wonde-south")["sources"]]}
    written = tmp_path / f"trust.{ending}"
    if ending == "json":
        written.write_text(json.dumps(both))
    elif ending == "csv":
        lines = [
            f"wonde,{name},https://api.wonde.com/v1.0,env:TOKEN,{one['id']},{one['urn']},{scheme},,,,\n"
            for name, schools, scheme in (("", north, ""), ("wonde-south", south, "local"))
            for one in schools
        ]
        written.write_text(CSV_HEAD + "".join(lines), encoding="utf-8-sig")
    else:
        written.write_text(_toml(both))
    done = rollcall(tmp_path, "sources", "import", str(written))
    assert done.exit_code == 0, done.output
    held = SourcesFile(tmp_path / "sources.json").current()
    assert {name: len(one.schools) for name, one in held.items()} == {"wonde": 24, "wonde-south": 24}
    assert {one.code_scheme for one in held["wonde-south"].schools} == {"local"}
    assert sorted(one.urn for source in held.values() for one in source.schools) == list(range(100_000, 100_048))


def test_a_file_with_wrong_rows_imports_nothing_and_names_every_one(tmp_path: Path) -> None:
    written = tmp_path / "trust.csv"
    rows = (
        "wonde,,https://api.wonde.com/v1.0,env:TOKEN,A1,100001,,,,,",
        "wonde,,https://api.wonde.com/v1.0,env:TOKEN,A2,none,,,,,",
        "wonde,,https://api.wonde.com/v1.0,env:TOKEN,A3,100003,,a-real-token,,,",
        "wonde,,https://api.wonde.com/v1.0,env:TOKEN,A1,100004,,,,,",
        "wonde,,https://other.wonde.com/v1.0,env:TOKEN,A5,100005,,,,,",
        "nobody,,https://api.example,env:TOKEN,A6,100006,,,2025-09-01,2025-08-31,",
        "wonde,b,ftp://api.example,env:TOKEN,A7,100007,,,the first,,",
    )
    written.write_text(CSV_HEAD + "\n".join(rows))
    done = rollcall(tmp_path, "sources", "import", str(written))
    assert done.exit_code == 2
    for line, field in ((3, "urn"), (4, "secret"), (5, "id"), (6, "base_url"), (7, "make"), (7, "until"), (8, "from")):
        assert f"line {line}: {field}: " in done.output
    assert "line 8: base_url: https://host/path is wanted" in done.output
    assert "line 2" not in done.output.replace("otherwise than in line 2", "")
    assert "a-real-token" not in done.output
    assert "nothing was imported: 8 things are wrong" in done.output
    assert not (tmp_path / "sources.json").exists()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"secret": "a-real-token"}, "source wonde: secret: a secret is named as env:NAME or file:path"),
        ({"base_url": "https://user:a-real-token@api.example"}, "base_url: no user and no password may stand in it"),
        ({"secret": None}, "source wonde: secret: name one, for the source or for A1"),
        ({"token": "env:TOKEN"}, "source wonde: token: no such field"),
        ({"requests_a_second": 0}, "source wonde: requests_a_second: "),
        ({"name": "Wonde North"}, "source Wonde North: name: "),
        ({"schools": [{"id": "../A1", "urn": 1}]}, "source wonde, school ../A1: id: "),
        ({"schools": [school(1), {"id": "A2", "urn": 100_001}]}, "school A2: urn: 100001 stands there already"),
    ],
)
def test_what_is_wrong_is_named_by_entry_and_field_and_no_secret_is_told(changed: dict[str, Any], said: str) -> None:
    written = document(school(1))
    written["sources"][0].update(changed)
    with pytest.raises(WrongSources) as wrong:
        parse(written, entry_names(written))
    assert said in str(wrong.value)
    assert "a-real-token" not in str(wrong.value)


def test_two_sources_of_one_name_are_refused() -> None:
    twice = {"sources": [*document(school(1))["sources"], *document(school(2))["sources"]]}
    with pytest.raises(WrongSources, match="another source is called wonde"):
        parse(twice, entry_names(twice))


@pytest.mark.parametrize(("name", "text"), [("a.toml", "= ="), ("a.json", "{"), ("a.csv", "id,urn\n"), ("a.xlsx", "")])
def test_a_file_that_is_none_is_one_clear_line(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=name):
        sources_import.load(tmp_path / name)


def test_a_secret_file_is_found_from_the_imported_file(tmp_path: Path) -> None:
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "token").write_text("t")
    written = tmp_path / "given" / "trust.json"
    written.write_text(json.dumps(document(school(1, secret="file:token"))))
    (source,) = sources_import.load(written)
    access, failing = access_of(source, source.schools, tmp_path / "elsewhere")
    assert (access, failing) != (None, {})
    assert access is not None
    assert access.secret_of("A1") == "t"


# ---- schools: dated, many URNs in a source, a URN in many sources


def test_an_id_or_a_urn_may_stand_twice_for_days_that_do_not_meet() -> None:
    """A school that becomes an academy keeps its id and gets another URN."""
    before = {"id": "A1", "urn": 100_001, "until": "2025-08-31"}
    (source,) = sources(before, {"id": "A1", "urn": 100_002, "from": "2025-09-01"})
    assert [one.urn for one in source.to_pull(date(2025, 8, 31))] == [100_001]
    assert [one.urn for one in source.to_pull(date(2025, 9, 1))] == [100_002]
    with pytest.raises(WrongSources, match="stands there already for these days"):
        sources(before, {"id": "A1", "urn": 100_002, "from": "2025-08-31"})


def test_who_is_named_is_who_may_be_pulled_whatever_was_asked_before() -> None:
    (source,) = sources(school(1), school(2))
    assert source.why_not("A2", 100_002) is None
    fewer = source.with_schools(source.schools[:1])
    assert fewer.why_not("A2", 100_002) == f"it is no longer among the schools of {source.name}"
    assert fewer.why_not("A1", 100_001) is None
    assert source.why_not("A1", 100_002) is not None, "an id of another school"


def test_a_missing_secret_keeps_only_its_own_school_from_being_pulled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "t")
    monkeypatch.delenv("GONE", raising=False)
    (source,) = sources(school(1), school(2, secret="env:GONE"), school(3, secret="file:gone"))
    access, failing = access_of(source, source.schools, tmp_path)
    assert access is not None
    assert [one.id for one in access.sources] == ["A1"]
    assert failing == {
        "A2": "the secret env:GONE is empty",
        "A3": "the secret's file gone cannot be read: No such file or directory",
    }


# ---- the file


def test_a_revocation_outlives_an_import_and_is_lifted_only_by_resume(file: SourcesFile) -> None:
    file.take(sources(school(1), school(2)))
    file.revoke("wonde", None, 100_001, "left the trust", NOW)
    file.take(sources(school(1), school(2), school(3)))
    source = file.current()["wonde"]
    assert [one.id for one in source.to_pull(NOW.date())] == ["A2", "A3"]
    assert source.why_not("A1", 100_001) == "permission was revoked at 2025-09-10 09:00 UTC: left the trust"
    file.take(sources(school(2)))
    file.take(sources(school(1), school(2)))
    assert [one.id for one in file.current()["wonde"].to_pull(NOW.date())] == ["A2"]
    assert file.resume("wonde", None, 100_001)
    assert [one.id for one in file.current()["wonde"].to_pull(NOW.date())] == ["A1", "A2"]
    assert not file.resume("wonde", None, 100_001)


def test_a_whole_source_is_revoked_and_resumed_schools_revoked_alone_stay_so(file: SourcesFile) -> None:
    file.take(sources(school(1), school(2)))
    file.revoke("wonde", "A1", None, "left the trust", NOW)
    file.revoke("wonde", None, None, "contract ended", NOW)
    assert file.current()["wonde"].to_pull(NOW.date()) == ()
    file.resume("wonde", None, None)
    assert [one.id for one in file.current()["wonde"].to_pull(NOW.date())] == ["A2"]


def test_a_school_that_the_source_finds_itself_can_be_revoked(file: SourcesFile) -> None:
    file.take(sources())
    file.revoke("wonde", "A9", None, "no consent", NOW)
    assert file.current()["wonde"].why_not("A9", 1) is not None
    assert file.current()["wonde"].why_not("A8", 1) is None


def test_what_cannot_be_revoked_is_said(file: SourcesFile) -> None:
    file.take(sources(school(1)))
    with pytest.raises(UsageError, match="no source arbor; it has wonde"):
        file.revoke("arbor", None, None, "x", NOW)
    with pytest.raises(UsageError, match="wonde has no school A7"):
        file.revoke("wonde", "A7", None, "x", NOW)


def test_schools_are_added_to_a_source_and_not_twice(tmp_path: Path) -> None:
    add = ["sources", "add", "--make", "wonde", "--base-url", "https://api.wonde.com", "--secret", "env:TOKEN"]
    assert rollcall(tmp_path, *add, "--school", "A1=100001").exit_code == 0
    assert rollcall(tmp_path, *add, "--school", "A2=100002=local", "--from", "2025-09-01").exit_code == 0
    (source,) = SourcesFile(tmp_path / "sources.json").current().values()
    assert [(one.id, one.urn, one.code_scheme, one.first_day) for one in source.schools] == [
        ("A1", 100_001, "national", None),
        ("A2", 100_002, "local", date(2025, 9, 1)),
    ]
    again = rollcall(tmp_path, *add, "--school", "A3=100001")
    assert isinstance(again.exception, ConfigError)
    assert "100001 stands there already" in str(again.exception)
    assert len(SourcesFile(tmp_path / "sources.json").current()["wonde"].schools) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not JSON"),
        ('{"sources": [{"make": "wonde"}]}', "source wonde: base_url: field required"),
        ('{"sources": [{"make": "wonde", "schools": [{"id": "A1"}]}]}', "source wonde, school A1: urn: field required"),
        ('{"schools": []}', "a list named sources is wanted"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line_that_names_it(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "sources.json").write_text(text)
    command = [sys.executable, "-m", "rollcall.cli", "sources", "list", "--home", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert f"{tmp_path}/sources.json" in done.stderr
    assert said in done.stderr


def test_a_write_that_was_cut_off_is_as_if_it_had_not_been(file: SourcesFile) -> None:
    file.take(sources(school(1)))
    file.path.with_name("sources.json.new").write_text('{"sources": [')
    assert list(file.current()) == ["wonde"]
    file.revoke("wonde", None, None, "x", NOW)
    assert file.current()["wonde"].revoked
    assert file.path.stat().st_mode & 0o077 == 0


def test_many_writers_at_once_lose_nothing(file: SourcesFile) -> None:
    file.take(sources(*(school(number) for number in range(20))))

    def one(number: int) -> None:
        SourcesFile(file.path).revoke("wonde", f"A{number}", None, "x", NOW)

    with ThreadPoolExecutor(8) as many:
        list(many.map(one, range(20)))
    assert file.current()["wonde"].to_pull(NOW.date()) == ()


def test_list_says_how_each_school_stands(tmp_path: Path) -> None:
    file = SourcesFile(tmp_path / "sources.json")
    file.take(sources(school(1), school(2), school(3, until="2025-09-01"), school(4, **{"from": "2026-01-01"})))
    file.revoke("wonde", "A2", None, "left", NOW)
    done = rollcall(tmp_path, "sources", "list", "--json", "--today", "2025-09-10")
    (source,) = json.loads(done.output)
    assert [one["stands"] for one in source["schools"]] == [
        "not pulled yet",
        "permission was revoked at 2025-09-10 09:00 UTC: left",
        "no longer",
        "not yet",
    ]
    assert "A2" in rollcall(tmp_path, "sources", "list").output


def _toml(written: dict[str, Any]) -> str:
    lines: list[str] = []
    for source in written["sources"]:
        lines += ["[[sources]]", *_fields(source, set(source) - {"schools"})]
        for one in source["schools"]:
            lines += ["[[sources.schools]]", *_fields(one, set(one))]
    return "\n".join(lines)


def _fields(of: dict[str, Any], names: Sequence[str] | set[str]) -> list[str]:
    return [f"{name} = {json.dumps(of[name])}" for name in sorted(names)]
