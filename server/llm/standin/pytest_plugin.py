"""A pytest fixture: Claude's API without Claude, on a real port, for one test.

In a ``conftest.py``, or in the test's own file:

    from server.llm.standin.pytest_plugin import claude_standin

and then, with Claude's SDK or with anything else that speaks to the API:

    def test_it_says_hello(claude_standin):
        claude_standin.script.add(Reply([Text(["Hello"])]))
        client = anthropic.Anthropic(base_url=claude_standin.base_url, api_key="any")
        …
        assert claude_standin.requests[-1].body["messages"] == […]

Or for a Headwater app: ``Settings(anthropic_api_key="any",
anthropic_base_url=claude_standin.base_url)``. Without a script it improvises. A turn that was
scripted and not asked for fails nothing; ``len(claude_standin.script)`` tells.
"""

from collections.abc import Iterator

import pytest

from server.llm.standin.thread import ClaudeStandin

__all__ = ["claude_standin"]


@pytest.fixture
def claude_standin() -> Iterator[ClaudeStandin]:
    """A stand-in for Claude's API, for this test alone."""
    with ClaudeStandin() as standin:
        yield standin
