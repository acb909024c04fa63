"""A client for a URI, with the options that our promises rest on forced whatever the URI says."""

from typing import Any, cast
from urllib.parse import parse_qsl, unquote_plus

from pymongo import AsyncMongoClient
from pymongo.errors import ConfigurationError

from server.core.errors import StartupError
from server.settings import MEMORY_URI, Driver
from server.store.redact import shown_hosts
from server.store.references import PLAIN_REFERENCES

__all__ = ["connect_client", "database_name"]

DATABASE_DEFAULT = "headwater"
CONNECT_TIMEOUT_MS, HEARTBEAT_MS = 4_000, 1_000
"""Together: when a frozen server is given up, and whatever waits for it is interrupted."""


async def connect_client(
    uri: str,
    *,
    driver: Driver = "pymongo",
    app_name: str = "headwater",
    server_selection_timeout_ms: int = 5_000,
    socket_timeout_ms: int = 30_000,
) -> AsyncMongoClient[dict[str, Any]]:
    """A client for `uri`; the caller closes it. No server has been spoken to yet.

    Forced over what the URI says: reads from the primary at read concern majority, writes
    acknowledged by a journaled majority, retries of both, dates with their time zone, references as
    plain documents, and the timeouts, unless it wants to wait less for a primary. (A driver's own
    defaults wait 30 s for one, and for ever on a frozen server.)

    Args:
        uri: ``mongodb://`` or ``mongodb+srv://``; the latter's hosts are looked up here.
        driver: Whose client. Motor's has the part of PyMongo's async API that the store uses, and
            is for reads and writes only.
        app_name: How the connections show in MongoDB's log and ``currentOp``.
        server_selection_timeout_ms: How long an operation waits for a primary.
        socket_timeout_ms: How long it waits for the answer of a server that is well.

    Raises:
        StartupError: The URI cannot be used; the message never shows a password.
    """
    if uri == MEMORY_URI:
        raise StartupError(
            "HEADWATER_MONGODB_URI is memory:, a database that ends with the one process that has "
            "it; unset the variable to use the embedded MongoDB."
        )
    if not uri.startswith(("mongodb://", "mongodb+srv://")):
        raise StartupError(
            "HEADWATER_MONGODB_URI must begin with mongodb:// or mongodb+srv://; write, for "
            "example, mongodb://host:27017/myapp?replicaSet=rs0."
        )
    if "@" in uri.partition("://")[2].partition("/")[2].partition("?")[0]:
        # The driver would take what is between an "@" and a "/" of the password for a host.
        raise StartupError(_refusal(uri, ValueError()))
    options: dict[str, Any] = {
        "appName": app_name,
        "tz_aware": True,
        "datetime_conversion": "DATETIME_AUTO",  # other programs' dates beyond Python's years
        "unicode_decode_error_handler": "replace",
        "type_registry": PLAIN_REFERENCES,
        "readPreference": "primary",
        "readPreferenceTags": "",  # with tags or a staleness, "primary" is refused
        "maxStalenessSeconds": -1,
        "readConcernLevel": "majority",
        "w": "majority",
        "journal": True,
        "wTimeoutMS": 0,
        "retryReads": True,
        "retryWrites": True,
        "connectTimeoutMS": CONNECT_TIMEOUT_MS,
        "heartbeatFrequencyMS": HEARTBEAT_MS,
        "serverSelectionTimeoutMS": _at_most(server_selection_timeout_ms, uri),
        "socketTimeoutMS": socket_timeout_ms,
    }
    client: AsyncMongoClient[dict[str, Any]] | None = None
    try:
        client = _client(driver, uri, options)
        await client.aconnect()
    except (ConfigurationError, ValueError, OSError) as error:
        if client is not None:
            await client.close()
        raise StartupError(_refusal(uri, error)) from None
    return client


def _client(driver: Driver, uri: str, options: dict[str, Any]) -> AsyncMongoClient[dict[str, Any]]:
    if driver == "pymongo":
        return AsyncMongoClient(uri, **options)
    from server.store.motor import MotorClient  # nobody else need import Motor

    return cast("AsyncMongoClient[dict[str, Any]]", MotorClient(uri, **options))


def database_name(uri: str) -> str:
    """The database that the path of `uri` names, ``headwater`` if it names none."""
    authority, _, path = uri.partition("://")[2].partition("?")[0].partition("/")
    name = unquote_plus(path).partition(".")[0] if authority else ""
    return name or DATABASE_DEFAULT


def _at_most(timeout_ms: int, uri: str) -> int:
    """`timeout_ms`, or the serverSelectionTimeoutMS of `uri` where that is less."""
    options = {name.lower(): value for name, value in parse_qsl(uri.partition("?")[2])}
    wanted = options.get("serverselectiontimeoutms", "")
    return min(int(wanted), timeout_ms) if wanted.isdecimal() else timeout_ms


def _refusal(uri: str, error: Exception) -> str:
    """What is wrong with `uri`, without the driver's words where they may quote a password."""
    if uri.startswith("mongodb+srv://") and "DNS" in str(error):
        return (
            f"The host {shown_hosts(uri)} of HEADWATER_MONGODB_URI has no MongoDB address in DNS; "
            "correct its name, or look whether this machine can resolve names."
        )
    if "@" in uri:
        return (
            f"HEADWATER_MONGODB_URI (hosts: {shown_hosts(uri)}) cannot be read; write user name "
            "and password percent-escaped (urllib.parse.quote_plus), and look over its options."
        )
    return f"HEADWATER_MONGODB_URI cannot be used: {error}; correct it."
