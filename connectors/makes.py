"""Every make of source there is, and how its connector is put together: one line each in `MAKES`.

A make's code is imported when its first connector is opened, so that naming it costs nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import date
from typing import Protocol
from urllib.parse import urlsplit

from connectors.access import Access
from connectors.contract import Connector
from connectors.csvdrop.options import address as csvdrop_address
from connectors.http import Patience
from connectors.pupils import UpnKey

__all__ = ["MAKES", "Make", "Surroundings"]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a connector needs of the installation, the same for every source.

    today: the day it is, for a day that is played; None: the day it really is. hurried: a person waits for the answer,
    so trouble is not waited out for minutes.
    """

    upn_key: UpnKey
    today: date | None = None
    hurried: bool = False


@dataclass(frozen=True, slots=True)
class Make:
    """One make: `open` gives its connector, and closes its client behind it.

    address: what is wrong with a base_url, None when nothing is. needs_secret: False for what lies on our own disks.
    """

    open: Callable[[Access, Surroundings], AbstractAsyncContextManager[Connector]]
    address: Callable[[str], str | None]
    needs_secret: bool = True


def web_address(url: str) -> str | None:
    """What is wrong with the address of an API: it is http or https, with a host, and holds no password."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https"):
        return "https://host/path is wanted"
    if parts.username is not None or parts.password is not None:
        return "no user and no password may stand in it: name the secret instead"
    return None


def _patience(around: Surroundings) -> Patience:
    return Patience(tries=3) if around.hurried else Patience()


class _Client(Protocol):
    """What the clients of all makes have in common."""

    async def aclose(self) -> None: ...


@asynccontextmanager
async def _over_http(
    access: Access, around: Surroundings, client_of: Callable[..., _Client], connector_of: Callable[..., Connector]
) -> AsyncIterator[Connector]:
    """The connector of a make that is asked over HTTP, with a client of its own that is closed behind it."""
    client = client_of(access.base_url, name=access.name, patience=_patience(around), a_second=access.requests_a_second)
    try:
        yield connector_of(access, client, around.upn_key, today=around.today)
    finally:
        await client.aclose()


def _wonde(access: Access, around: Surroundings) -> AbstractAsyncContextManager[Connector]:
    from dataclasses import replace

    from connectors.wonde.client import WondeClient
    from connectors.wonde.connector import VERSION, WondeConnector

    if not access.base_url.endswith(VERSION):
        access = replace(access, base_url=access.base_url + VERSION)
    return _over_http(access, around, WondeClient, WondeConnector)


def _odata(access: Access, around: Surroundings) -> AbstractAsyncContextManager[Connector]:
    from connectors.odata.client import ODataClient
    from connectors.odata.connector import ODataConnector

    return _over_http(access, around, ODataClient, ODataConnector)


def _arbor(access: Access, around: Surroundings) -> AbstractAsyncContextManager[Connector]:
    from connectors.arbor.client import ArborClient
    from connectors.arbor.connector import ArborConnector

    return _over_http(access, around, ArborClient, ArborConnector)


def _bromcom(access: Access, around: Surroundings) -> AbstractAsyncContextManager[Connector]:
    from connectors.bromcom.client import BromcomClient
    from connectors.bromcom.connector import BromcomConnector

    return _over_http(access, around, BromcomClient, BromcomConnector)


@asynccontextmanager
async def _csvdrop(access: Access, around: Surroundings) -> AsyncIterator[Connector]:
    from connectors.csvdrop.connector import CsvDropConnector

    yield CsvDropConnector(access, around.upn_key, today=around.today)


#: By the name that stands where sources are configured, which is also the `make` of the connector's class.
MAKES: Mapping[str, Make] = {
    "wonde": Make(_wonde, web_address),
    "odata": Make(_odata, web_address),
    "arbor": Make(_arbor, web_address),
    "bromcom": Make(_bromcom, web_address),
    "csvdrop": Make(_csvdrop, csvdrop_address, needs_secret=False),
}
