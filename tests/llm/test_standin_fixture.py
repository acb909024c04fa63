"""The pytest fixture, as a project that uses Headwater meets it."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import anthropic
import httpx2
import pytest

from server.llm.standin import ClaudeStandin, Reply, Stalled, Text

CONFTEST = """
from server.llm.standin.pytest_plugin import claude_standin
"""
TESTS = """
import anthropic
import pytest
from server.llm.standin import Reply, StatusError, Text

def ask(claude_standin, prompt="Hello"):
    with anthropic.Anthropic(
        base_url=claude_standin.base_url, api_key="any", max_retries=0
    ) as client:
        return client.messages.create(
            model="claude-sonnet-5-5",
            max_tokens=100,
            messages=[{"role": "user", "content": prompt}],
        )

def test_it_says_what_it_is_told(claude_standin):
    claude_standin.script.add(Reply([Text(["Good ", "day."])]))
    assert ask(claude_standin).content[0].text == "Good day."
    assert claude_standin.requests[-1].body["messages"][0]["content"] == "Hello"

def test_it_is_new_for_each_test_and_improvises(claude_standin):
    assert len(claude_standin.requests) == 0
    assert "rivers" in ask(claude_standin, "Why do rivers meander?").content[0].text.lower()

def test_it_refuses_as_told(claude_standin):
    claude_standin.script.add(Reply(failure=StatusError(529, "overloaded_error")))
    with pytest.raises(anthropic.APIStatusError):
        ask(claude_standin)
"""


README = Path(__file__).parents[2] / "README.md"


def run(project: Path) -> str:
    """What pytest says of a project, whose tests all pass."""
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:asyncio"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def test_a_project_of_somebody_else_can_use_it(tmp_path: Path):
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_theirs.py").write_text(TESTS)
    blocks = re.findall(r"```py\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    (shown,) = [block for block in blocks if "claude_standin" in block]
    (tmp_path / "test_readme.py").write_text(shown)
    assert "4 passed" in run(tmp_path)


def test_a_stalled_reply_goes_on_when_the_test_says_so():
    go_on = asyncio.Event()
    with ClaudeStandin() as standin:
        standin.script.add(Reply([Text(["a", "b"])], failure=Stalled(after=1, until=go_on)))
        client = anthropic.Anthropic(base_url=standin.base_url, api_key="any", max_retries=0)
        with client.messages.stream(
            model="claude-sonnet-5-5",
            max_tokens=100,
            messages=[{"role": "user", "content": "Hello"}],
        ) as stream:
            seen: list[str] = []
            for text in stream.text_stream:
                seen.append(text)
                standin.set(go_on)
        assert seen == ["a", "b"]
        assert standin.run(standin.requests[-1].ended.wait())
        assert standin.requests[-1].outcome == "answered"
        client.close()


def test_stopping_frees_the_port_and_may_be_repeated():
    standin = ClaudeStandin()
    standin.stop()
    with standin:
        url = standin.base_url
        assert httpx2.get(f"{url}/elsewhere", trust_env=False).status_code == 404
    standin.stop()
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(url, trust_env=False)
