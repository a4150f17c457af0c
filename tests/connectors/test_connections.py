"""What goes out with a question, over real HTTP: through the proxy that is named, and with nothing that is not ours."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from connectors.connections import Answer, Connections, NoAnswer
from tests.connectors import server


class Noting(server.FakeServer):
    """Notes the headers of each request, and gives a cookie with each answer."""

    def __init__(self) -> None:
        super().__init__()
        self.headers: list[Mapping[str, str]] = []

    def answer(self, path: str, query: dict[str, str], headers: Mapping[str, str]) -> server.Answer:
        self.headers.append(headers)
        return server.Answer(headers={"Set-Cookie": "school=A1; Path=/", "Retry-After": "7"})


@pytest.fixture
def noting() -> Iterator[Noting]:
    made = Noting()
    yield made
    made.close()


def ask(host: str, *urls: str) -> list[Answer]:
    async def all_of_them() -> list[Answer]:
        connections = Connections("http", host, silence=5, whole=10)
        try:
            return [await connections.get(url, {"Authorization": "Bearer t"}) for url in urls]
        finally:
            await connections.aclose()

    return asyncio.run(all_of_them())


def test_a_question_is_sent_as_it_is_quoted_and_neither_cookie_nor_netrc_goes_with_it(
    noting: Noting, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n", encoding="utf-8")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    url = f"{noting.origin}/marks?filter=Date%20ge%20%272025-09-10%27&plus=a%2Bb"
    first, _ = ask("127.0.0.1", url, url)
    assert first == (200, "7", b"{}")
    assert noting.asked == [("/marks", {"filter": "Date ge '2025-09-10'", "plus": "a+b"})] * 2
    for headers in noting.headers:
        assert headers["Authorization"] == "Bearer t"
        assert "Cookie" not in headers


def test_the_proxy_of_the_environment_is_asked_and_not_where_none_shall_be(
    noting: Noting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", noting.origin)
    monkeypatch.setenv("no_proxy", "at-hand.invalid")
    (answer,) = ask("mis.invalid", "http://mis.invalid/marks")
    assert answer.status == 200
    assert noting.headers[-1]["Host"] == "mis.invalid"
    with pytest.raises(NoAnswer, match="does not answer"):
        ask("at-hand.invalid", "http://at-hand.invalid/marks")
    assert len(noting.asked) == 1
