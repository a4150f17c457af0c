"""API keys: stored as hashes, compared in constant time, revoked without a restart."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.ingest.keys import KeyRing, add, read, revoke
from rollcall.errors import ConfigError, UsageError
from tests.connectors.conftest import wait_until


def test_a_revoked_key_stops_working_without_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    key, token = add(file, "classroom", None)
    ring = KeyRing(file)
    assert ring.holder(token) == key
    revoke(file, key.id)
    wait_until(lambda: ring.holder(token) is None)
    _, fresh = add(file, "classroom", None)
    wait_until(lambda: ring.holder(fresh) is not None)
    assert ring.holder(token) is None


def test_keys_are_stored_as_hashes_for_their_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    key, token = add(file, "classroom", [100_001])
    assert token.split("_", 2)[2] not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0
    assert read(file) == [key]


def test_a_wrong_secret_for_a_right_id_is_nobody(tmp_path: Path) -> None:
    _, token = add(tmp_path / "keys.json", "classroom", None)
    wrong = token[:-1] + ("A" if token[-1] != "A" else "B")
    assert KeyRing(tmp_path / "keys.json").holder(wrong) is None


def test_keys_that_make_no_sense_are_refused_with_words(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    with pytest.raises(UsageError, match="lower-case"):
        add(file, "Class Room", None)
    with pytest.raises(UsageError, match="--all-urns"):
        add(file, "classroom", [])
    with pytest.raises(UsageError, match="key list"):
        revoke(file, "nothing")
    file.write_text("{}")
    with pytest.raises(ConfigError, match=r"keys\.json"):
        read(file)
