"""The few pages that are not drawn by the viewer itself."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

_STYLE = (
    "html{color-scheme:dark}body{margin:0;height:100vh;display:grid;place-content:center;justify-items:center;gap:1rem;"
    "background:#14171a;color:#e3e7ea;font:16px/1.5 system-ui,sans-serif;text-align:center}"
    "p{margin:0;max-width:34rem}code{color:#8fd3c8}"
    "a,button{font:inherit;color:#0e1214;background:#8fd3c8;border:0;border-radius:6px;padding:.5rem 1.1rem;"
    "text-decoration:none;cursor:pointer}"
)


def _page(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
        f"<body>{body}</body></html>"
    )


INCOMPLETE_ADDRESS = _page(
    "DFQSAM viewer",
    "<p>This address is incomplete, or from an earlier start of the viewer.</p>"
    "<p>Open the address that <code>dfqsam view</code> printed when it was started.</p>",
)

# Reloading a page asks for it before the old one has gone: this notice waits a moment, and goes on by itself.
OTHER_TAB = _page(
    "DFQSAM viewer: open in another tab",
    '<div id="notice" style="visibility:hidden;display:grid;gap:1rem;justify-items:center">'
    "<p>The viewer is open in another tab. It works in one tab at a time, so that the work of two does not mix.</p>"
    '<a id="take" href="/?take=1">Use it here</a><p>Nothing is lost: segments and prompts are kept by the viewer.</p>'
    "</div><script>"
    "history.replaceState(null,'','/');"
    "const later=setTimeout(()=>{document.getElementById('notice').style.visibility='visible'},900);"
    "setInterval(async()=>{const answer=await fetch('/free');"
    "if(answer.status===204){clearTimeout(later);location.replace('/')}},250)"
    "</script>",
)

# What the viewer's own page turns into when its line is cut.
CLOSED = (
    '<div style="height:100vh;display:grid;place-content:center;justify-items:center;gap:1rem;background:#14171a;'
    'color:#e3e7ea;font:16px/1.5 system-ui,sans-serif;text-align:center" id="closed">'
    "<p>This page is not connected any more: the viewer was closed, or is used in another tab.</p>"
    '<p>While the viewer runs, nothing is lost.</p><a href="/" style="color:#8fd3c8">Use it here again</a></div>'
)


@lru_cache(maxsize=1)
def index_page() -> str:
    """The page that loads trame's client, with the token taken out of the address bar at once."""
    import trame_client.module.vue3 as client

    text = (Path(client.www) / "index.html").read_text(encoding="utf-8")
    text = re.sub(r"<title>.*?</title>", "<title>DFQSAM viewer</title>", text)
    text = re.sub(r'<meta\s+name="(description|keywords)"[^>]*>', "", text)
    # Who needs larger letters may zoom.
    text = re.sub(r",?\s*(maximum-scale|user-scalable)=[^,\"]*", "", text)
    # A blank page until the viewer is drawn, without the logo and the words of the library.
    text = re.sub(r'fetch\("\./loading\.tpl"\)[^;]*;', "", text)
    blank = "<style>html,body{background:#14171a;margin:0;color-scheme:dark}</style>"
    return text.replace("<head>", f"<head><script>history.replaceState(null,'','/')</script>{blank}")
