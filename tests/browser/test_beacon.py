"""A tab that is closed says so by a beacon, which a real Chromium sends after the page has gone."""

import pytest

from tests.browser.conftest import OpenTab
from tests.serving import serving
from tests.sse import Follower

pytestmark = pytest.mark.browser

LEAVE_BY_BEACON = """
  ([url, body]) => addEventListener("pagehide", () => {
    navigator.sendBeacon(url, new Blob([JSON.stringify(body)], { type: "application/json" }));
  })
"""


async def test_who_closes_their_tab_leaves_by_a_beacon(
    database_uri: str, open_tab: OpenTab
) -> None:
    async with serving(database_uri) as server:
        task = (await server.mutation("tasks.create", title="T"))["_id"]
        who = {"taskId": task, "userId": "ada", "tabId": "1"}
        await server.mutation("presence.updatePresence", userName="Ada", **who)
        follower = Follower(server.http, {"people": ("presence.getActiveUsers", {"taskId": task})})
        async with follower.following():
            await follower.until(lambda f: len(f.values.get("people", ())) == 1)
            tab = await open_tab(server.url)
            url = "/api/mutation/presence.removePresence"
            await tab.page.evaluate(LEAVE_BY_BEACON, [url, who])
            await tab.page.close()
            await follower.until(lambda f: f.values["people"] == [])
        assert tab.complaints == []
