"""Whether the MongoDB we were given can keep our promises, judged once at start."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.errors import (
    ConfigurationError,
    ConnectionFailure,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
)

from server.core.errors import StartupError

__all__ = ["Deployment", "check_deployment", "judge_deployment"]

VERSION_MIN = (5, 0)
"""The first with snapshot reads outside of transactions."""

ELECTION_ASKS_MAX, ELECTION_PAUSE_SECONDS = 10, 0.5
"""How often a primary that has just stepped down is asked for, until the driver knows the next."""

UNAUTHORIZED, AUTHENTICATION_FAILED, ATLAS_ERROR = 13, 18, 8000
UNRESOLVED = (
    "name or service not known",
    "nodename nor servname",
    "name resolution",
    "no address associated",
)


@dataclass(frozen=True)
class Deployment:
    """A deployment that was found fit."""

    version: tuple[int, ...]
    """As ``buildInfo`` tells it, such as ``(6, 0, 5)``."""
    replica_set: str
    primary: str
    """``host:port`` under which the members know the primary."""
    hosts: tuple[str, ...]
    """All members that bear data, as ``host:port``."""


async def check_deployment(client: AsyncMongoClient[dict[str, Any]], database: str) -> Deployment:
    """Speak to the deployment behind `client` and tell what it is.

    Raises:
        StartupError: It cannot be reached, does not let us in, or is none that we can work with;
            the message is a sentence that ends in the cure, and shows hosts only.
    """
    seeds = client.topology_description.server_descriptions()
    hosts = ", ".join(f"{host}:{port}" if port else host for host, port in seeds)
    try:
        hello = await _hello(client)
        build_info = await client.admin.command("buildInfo")
        # Neither of the two asks for a login; this does, and for a right in the database.
        await client[database].list_collection_names()
    except PyMongoError as error:
        raise StartupError(_sentence(client, hosts, error)) from None
    return judge_deployment(hello, build_info["versionArray"][:3])


async def _hello(client: AsyncMongoClient[dict[str, Any]]) -> dict[str, Any]:
    """What the primary says of itself; with a direct connection, whoever is there."""
    for _ in range(ELECTION_ASKS_MAX):
        hello = await client.admin.command("hello")
        is_direct = client.topology_description.topology_type_name == "Single"
        if is_direct or "setName" not in hello or hello.get("isWritablePrimary"):
            return hello
        await asyncio.sleep(ELECTION_PAUSE_SECONDS)
    raise NotPrimaryError("no primary")


def judge_deployment(hello: Mapping[str, Any], version: Iterable[int]) -> Deployment:
    """Decide by a server's answer to ``hello``, and its version, whether it will do.

    Raises:
        StartupError: It is a mongos, a standalone, a member that is not the primary, or too old.
    """
    version = tuple(version)
    if hello.get("msg") == "isdbgrid" or "serviceId" in hello:
        raise StartupError(
            "HEADWATER_MONGODB_URI leads to a mongos, and the commit times of several shards are "
            "not yet joined into one order; name a replica set."
        )
    if "isreplicaset" in hello:
        raise StartupError(
            "HEADWATER_MONGODB_URI leads to a replica set that was never initiated; run "
            "rs.initiate() on it once."
        )
    if "setName" not in hello:
        raise StartupError(
            "HEADWATER_MONGODB_URI leads to a standalone mongod, which has no change streams and "
            "no transactions; start it with --replSet and run rs.initiate() once, or unset the "
            "variable to use the embedded MongoDB."
        )
    if not hello.get("isWritablePrimary"):
        raise StartupError(
            f"{hello.get('me', 'The server')} is not the primary of {hello['setName']}; take "
            "directConnection out of HEADWATER_MONGODB_URI, so that the primary is found."
        )
    if version < VERSION_MIN:
        raise StartupError(
            f"MongoDB {'.'.join(map(str, version))} is too old; upgrade it to 5.0 or later, the "
            "first with snapshot reads."
        )
    return Deployment(version, hello["setName"], hello["primary"], tuple(hello["hosts"]))


def _sentence(client: AsyncMongoClient[dict[str, Any]], hosts: str, error: PyMongoError) -> str:
    """What `error`, met while speaking to the deployment, means to who set the URI."""
    reason = str(error).partition(", full error: ")[0]
    match error:
        case OperationFailure(code=int(code)) if code in {AUTHENTICATION_FAILED, ATLAS_ERROR}:
            return (
                f"MongoDB at {hosts} refused the login; correct user name, password and "
                "authSource in HEADWATER_MONGODB_URI."
            )
        case OperationFailure(code=int(code)) if code == UNAUTHORIZED:
            return (
                f"MongoDB at {hosts} does not let this user into the database; name one in "
                "HEADWATER_MONGODB_URI who has the role readWrite there."
            )
        case ConfigurationError():
            return f"MongoDB at {hosts} is too old: {reason}; upgrade it to 5.0 or later."
        case ConnectionFailure():
            return _unreachable(client, hosts, reason)
        case _:
            return f"MongoDB at {hosts} cannot be used: {reason}; look into its log."


def _unreachable(client: AsyncMongoClient[dict[str, Any]], hosts: str, reason: str) -> str:
    topology = client.topology_description
    servers = topology.server_descriptions().values()
    kinds = {server.server_type_name for server in servers}
    if not servers:
        return (
            f"No member of a replica set {topology.replica_set_name!r} is at {hosts}; correct "
            "replicaSet in HEADWATER_MONGODB_URI."
        )
    if "RSGhost" in kinds:
        return f"The replica set at {hosts} was never initiated; run rs.initiate() on it once."
    if kinds != {"Unknown"}:
        return f"The replica set at {hosts} has no primary; start again when it has elected one."
    reasons = [str(server.error) for server in servers if server.error] or [reason]
    said = "; ".join(
        reason.partition(" (configured timeouts")[0].rstrip(": ") for reason in reasons
    )
    if "SSL" in said:
        return (
            f"No TLS connection to MongoDB at {hosts} ({said}); correct the tls options in "
            "HEADWATER_MONGODB_URI, or allow this machine's address in Atlas's IP access list."
        )
    if any(words in said.lower() for words in UNRESOLVED):
        return (
            f"The host of MongoDB at {hosts} is not known to DNS ({said}); correct its name in "
            "HEADWATER_MONGODB_URI."
        )
    return (
        f"MongoDB at {hosts} cannot be reached ({said}); start it, or correct "
        "HEADWATER_MONGODB_URI."
    )
