"""A deployment that cannot keep our promises is refused at start, in a sentence."""

from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.errors import ConfigurationError

from server.core.errors import StartupError
from server.store import deployment
from server.store.connection import connect_client, database_name
from server.store.deployment import Deployment, check_deployment, judge_deployment
from server.store.redact import shown_hosts
from tests.mongod import bare_mongod, unused_port

PRIMARY = {
    "setName": "rs",
    "isWritablePrimary": True,
    "primary": "a:27017",
    "me": "a:27017",
    "hosts": ["a:27017", "b:27017"],
}


async def check(uri: str, patience_ms: int = 30_000) -> Deployment:
    client = await connect_client(uri, server_selection_timeout_ms=patience_ms)
    try:
        return await check_deployment(client, database_name(uri))
    finally:
        await client.close()


async def refusal(uri: str, patience_ms: int = 30_000) -> str:
    """What is said; `patience_ms` is how long a driver looks for what is not there."""
    with pytest.raises(StartupError) as caught:
        await check(uri, patience_ms)
    return str(caught.value)


async def test_a_replica_set_is_accepted_and_described(database_uri: str) -> None:
    found = await check(database_uri)
    assert found.version >= (5, 0)
    assert found.replica_set == "headwater"
    assert found.hosts == (found.primary,)


async def test_a_standalone_mongod_is_refused(fast_dir: Path) -> None:
    async with bare_mongod(fast_dir / "standalone") as host:
        assert "standalone" in await refusal(f"mongodb://{host}/")
        message = await refusal(f"mongodb://{host}/?replicaSet=rs7", 3_000)
        assert "'rs7'" in message
        assert host in message


async def test_a_replica_set_that_was_never_initiated_is_refused(fast_dir: Path) -> None:
    async with bare_mongod(fast_dir / "ghost", "--replSet", "rs") as host:
        assert "rs.initiate()" in await refusal(f"mongodb://{host}/", 3_000)
        assert "rs.initiate()" in await refusal(f"mongodb://{host}/?directConnection=true")


async def test_a_wrong_password_is_refused_and_never_shown(mongo_uri: str) -> None:
    message = await refusal(mongo_uri.replace("://", "://zoe:s3cret@") + "&authSource=admin")
    assert "refused the login" in message
    assert "s3cret" not in message
    assert "zoe" not in message


async def test_a_missing_login_is_refused(fast_dir: Path) -> None:
    key = fast_dir / "key"
    key.write_text("headwater" * 8)
    key.chmod(0o400)
    auth = ("--replSet", "rs", "--auth", "--keyFile", str(key))
    async with bare_mongod(fast_dir / "auth", *auth) as host:
        async with AsyncMongoClient(f"mongodb://{host}/?directConnection=true") as client:
            members = [{"_id": 0, "host": host}]
            await client.admin.command("replSetInitiate", {"_id": "rs", "members": members})
        client = await connect_client(f"mongodb://{host}/")
        try:
            with pytest.raises(StartupError, match="readWrite"):
                await check_deployment(client, "headwater")
        finally:
            await client.close()


async def test_a_host_where_nobody_listens_is_refused() -> None:
    port = unused_port()
    message = await refusal(f"mongodb://127.0.0.1:{port}/", 500)
    assert f"127.0.0.1:{port} cannot be reached" in message
    assert "configured timeouts" not in message


async def test_a_name_unknown_to_dns_is_refused() -> None:
    assert "not known to DNS" in await refusal("mongodb://nobody.invalid/", 3_000)


async def test_a_service_name_unknown_to_dns_is_refused_without_its_password() -> None:
    message = await refusal("mongodb+srv://zoe:s3cret@cluster.nobody.invalid/")
    assert "cluster.nobody.invalid" in message
    assert "s3cret" not in message


async def test_a_failed_tls_handshake_is_refused(mongo_uri: str) -> None:
    assert "No TLS connection" in await refusal(mongo_uri + "&tls=true", 3_000)


async def test_a_version_that_the_driver_no_longer_speaks_is_refused(
    mongo_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await connect_client(mongo_uri)

    async def refuse(*_: Any, **__: Any) -> None:
        raise ConfigurationError("Server at a:1 reports wire version 5")

    monkeypatch.setattr(client.admin.__class__, "command", refuse)
    with pytest.raises(StartupError, match=r"too old.*wire version 5.*upgrade"):
        await check_deployment(client, "headwater")
    monkeypatch.undo()
    await client.close()


@pytest.mark.parametrize("asks", [1, deployment.ELECTION_ASKS_MAX])
async def test_a_primary_that_has_just_stepped_down_is_no_wrong_uri(
    asks: int, mongo_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was told to take directConnection out, which was not there."""
    client = await connect_client(mongo_uri)
    command, asked = client.admin.__class__.command, 0

    async def stepped_down(self: Any, name: Any, *more: Any, **fields: Any) -> Any:
        nonlocal asked
        answer = await command(self, name, *more, **fields)
        if name != "hello" or asked == asks:
            return answer
        asked += 1
        return answer | {"isWritablePrimary": False, "secondary": True}

    monkeypatch.setattr(client.admin.__class__, "command", stepped_down)
    monkeypatch.setattr(deployment, "ELECTION_PAUSE_SECONDS", 0)
    async with client:
        if asks == 1:
            assert (await check_deployment(client, "headwater")).replica_set == "headwater"
        else:
            with pytest.raises(StartupError, match="has no primary; start again when"):
                await check_deployment(client, "headwater")


@pytest.mark.parametrize(
    ("hello", "version", "words"),
    [
        (PRIMARY, (4, 4, 29), r"4\.4\.29 is too old.*5\.0"),
        ({"msg": "isdbgrid", "isWritablePrimary": True}, (7, 0, 0), "mongos"),
        (PRIMARY | {"serviceId": "x"}, (7, 0, 0), "mongos"),
        ({"isWritablePrimary": True}, (7, 0, 0), "standalone.*--replSet"),
        ({"isreplicaset": True}, (7, 0, 0), "never initiated"),
        (PRIMARY | {"isWritablePrimary": False, "me": "b:27017"}, (7, 0, 0), "b:27017 is not"),
    ],
)
def test_a_server_is_judged_by_its_hello(
    hello: dict[str, Any], version: tuple[int, ...], words: str
) -> None:
    with pytest.raises(StartupError, match=words):
        judge_deployment(hello, version)


def test_a_primary_of_the_oldest_version_will_do() -> None:
    assert judge_deployment(PRIMARY, [5, 0, 0]) == Deployment(
        version=(5, 0, 0), replica_set="rs", primary="a:27017", hosts=("a:27017", "b:27017")
    )


async def test_what_the_uri_says_against_our_promises_is_overridden() -> None:
    client = await connect_client(
        "mongodb://127.0.0.1/?w=1&journal=false&wTimeoutMS=5&readPreference=secondary"
        "&readPreferenceTags=dc:east&maxStalenessSeconds=120&readConcernLevel=local"
        "&retryWrites=false&serverSelectionTimeoutMS=90000"
    )
    await client.close()
    write_concern = client.write_concern.document
    assert (write_concern["w"], write_concern["j"]) == ("majority", True)
    assert not write_concern.get("wtimeout")
    assert client.read_preference.mongos_mode == "primary"
    assert client.read_concern.level == "majority"
    assert client.options.retry_writes
    assert client.options.server_selection_timeout == 5
    assert client.options.pool_options.socket_timeout == 30
    assert client.codec_options.tz_aware


async def test_a_uri_may_ask_to_wait_less_for_a_primary() -> None:
    client = await connect_client("mongodb://127.0.0.1/?ServerSelectionTimeoutMS=100&w=1")
    await client.close()
    assert client.options.server_selection_timeout == 0.1


@pytest.mark.parametrize(
    "uri",
    [
        "mongodb://zoe:pw1@pw2@host/",
        "mongodb://zoe:pw1/pw2@host/",
        "mongodb://zoe:pw1:pw2@host:99999/",
        "mongodb+srv://zoe:pw1@one.example:27017/",
        "mongodb://zoe:pw1?pw2@host/",
        "mongodb://zoe:pw1%pw2@host/",
    ],
)
async def test_a_uri_that_cannot_be_read_is_refused_without_its_password(uri: str) -> None:
    message = await refusal(uri)
    assert not any(secret in message for secret in ("pw1", "pw2", "zoe"))


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("http://host/", "must begin with mongodb://"),
        ("foo", "must begin with mongodb://"),
        ("mongodb://", "hostname"),
        ("mongodb://host:123456/", "Port"),
        ("mongodb://a,b/?directConnection=true", "directConnection"),
        ("mongodb://a/?tls=true&tlsCAFile=/nowhere.pem", r"/nowhere\.pem"),
    ],
)
async def test_a_uri_without_a_password_is_refused_in_the_drivers_words(
    uri: str, words: str
) -> None:
    with pytest.raises(StartupError, match=words):
        await connect_client(uri)


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("mongodb://a,b:27018/shop?replicaSet=rs", "shop"),
        ("mongodb+srv://zoe:pw@cluster.example/my%20shop", "my shop"),
        ("mongodb://a/shop.orders", "shop"),
        ("mongodb://a", "headwater"),
        ("mongodb://a/?w=1", "headwater"),
        ("mongodb://a?w=1", "headwater"),
    ],
)
def test_the_database_is_the_path_of_the_uri(uri: str, name: str) -> None:
    assert database_name(uri) == name


@pytest.mark.parametrize(
    ("uri", "hosts"),
    [
        ("mongodb://zoe:pw@a:27017,b.example/shop?x=1", "a:27017,b.example"),
        ("mongodb://[::1]:27017/", "[::1]:27017"),
        ("mongodb+srv://cluster.example", "cluster.example"),
        ("mongodb://zoe:p/w?r@a/shop", "a"),
        ("mongodb://zoe:p@w@a/shop", "a"),
        ("mongodb://zoe:p w", "(unreadable)"),
    ],
)
def test_only_hosts_are_shown_of_a_uri(uri: str, hosts: str) -> None:
    assert shown_hosts(uri) == hosts
