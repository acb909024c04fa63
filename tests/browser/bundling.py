"""Bundles of test pages that import ``headwater`` as others do."""

from collections.abc import Sequence
from pathlib import Path

from scripts.node_packages import BROWSER, run_node

__all__ = ["bundle"]


def bundle(*sources: Path, out: Path, options: Sequence[str] = ()) -> None:
    """Bundle each of `sources` into a module of the folder `out`, its name ending in ``.mjs``."""
    ended = run_node(
        "esbuild/bin/esbuild",
        *map(str, sources),
        "--bundle",
        "--format=esm",
        "--jsx=automatic",
        "--log-level=warning",
        f"--alias:headwater={BROWSER / 'client.js'}",
        f"--alias:headwater/react={BROWSER / 'react.js'}",
        f"--alias:headwater/ai-sdk={BROWSER / 'ai_sdk.js'}",
        f"--alias:headwater/ag-ui={BROWSER / 'ag_ui.js'}",
        f"--outdir={out}",
        "--out-extension:.js=.mjs",
        *options,
        capture=True,
    )
    assert ended.returncode == 0, ended.stderr
