"""Settings: read from the environment, and refused in a sentence with the cure."""

import re
from pathlib import Path

import pytest

from server.core.errors import StartupError
from server.settings import Settings

NAMES = (
    "HEADWATER_HOST",
    "HEADWATER_PORT",
    "HEADWATER_MONGODB_URI",
    "HEADWATER_DRIVER",
    "HEADWATER_DATA_DIR",
    "HEADWATER_MONGOD",
    "HEADWATER_ALLOWED_ORIGINS",
    "HEADWATER_STANDIN",
    "HEADWATER_OPERATOR_TOKEN",
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_BASE_URL",
)


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def test_every_setting_names_its_variable() -> None:
    source = Path(Settings.__module__.replace(".", "/") + ".py")
    text = (Path(__file__).parents[2] / source).read_text()
    assert set(re.findall(r'"((?:HEADWATER|ANTHROPIC)_[A-Z_]+)"', text)) == set(NAMES)
    assert set(re.findall(r'^    """``([A-Z_]+)``', text, re.MULTILINE)) == set(NAMES)


def test_without_an_environment_it_is_a_server_for_this_machine() -> None:
    settings = Settings()
    assert (settings.host, settings.port, settings.mongodb_uri) == ("127.0.0.1", 8000, None)
    assert settings.is_loopback
    assert settings.uses_standin


def test_the_environment_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWATER_PORT", " 9000 ")
    monkeypatch.setenv("HEADWATER_HOST", "")
    monkeypatch.setenv("HEADWATER_ALLOWED_ORIGINS", "https://A.example/, http://b.example:8080,")
    settings = Settings()
    monkeypatch.setenv("HEADWATER_PORT", "9001")
    assert (settings.port, settings.host) == (9000, "127.0.0.1")
    assert settings.allowed_origins == {"https://a.example", "http://b.example:8080"}
    assert Settings(port=7).port == 7


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HEADWATER_PORT", "http"),
        ("HEADWATER_PORT", "-1"),
        ("HEADWATER_PORT", "65536"),
        ("HEADWATER_PORT", "²"),
        ("HEADWATER_ALLOWED_ORIGINS", "*"),
        ("HEADWATER_ALLOWED_ORIGINS", "app.example.com"),
        ("HEADWATER_ALLOWED_ORIGINS", "https://app.example.com/path"),
        ("HEADWATER_ALLOWED_ORIGINS", "https://"),
        ("HEADWATER_STANDIN", "perhaps"),
        ("HEADWATER_DRIVER", "mongo"),
        ("HEADWATER_OPERATOR_TOKEN", "too-short"),
        ("HEADWATER_OPERATOR_TOKEN", "sixteen letters and spaces"),
        ("HEADWATER_OPERATOR_TOKEN", "schlüssel-schlüssel"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_the_cure(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(StartupError, match=name) as caught:
        Settings()
    assert "; write " in str(caught.value)


def test_a_database_in_memory_streams_nothing_and_so_needs_no_standin() -> None:
    assert Settings(mongodb_uri="memory:").in_memory
    assert not Settings(mongodb_uri="memory:", standin=True).uses_standin
    assert not Settings(mongodb_uri="mongodb://memory:1/").in_memory


@pytest.mark.parametrize(
    ("host", "key", "forced", "expected"),
    [
        ("127.0.0.1", None, None, True),
        ("::1", None, None, True),
        ("0.0.0.0", None, None, False),
        ("127.0.0.1", "sk-ant-x", None, False),
        ("127.0.0.1", "sk-ant-x", "yes", True),
        ("0.0.0.0", None, "1", True),
        ("127.0.0.1", None, "off", False),
    ],
)
def test_the_standin_answers_only_where_it_may(
    monkeypatch: pytest.MonkeyPatch,
    host: str,
    key: str | None,
    forced: str | None,
    expected: bool,
) -> None:
    monkeypatch.setenv("HEADWATER_HOST", host)
    if key is not None:
        monkeypatch.setenv("ANTHROPIC_API_KEY", key)
    if forced is not None:
        monkeypatch.setenv("HEADWATER_STANDIN", forced)
    assert Settings().uses_standin is expected
