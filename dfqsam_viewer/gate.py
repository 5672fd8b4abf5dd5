"""Who may talk to the viewer: a page of this computer that knows the token, and only one at a time."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable

from aiohttp import web

from .pages import INCOMPLETE_ADDRESS, OTHER_TAB, index_page

LOOPBACK = "127.0.0.1"
_NAMES = (LOOPBACK, "localhost")
_SOCKET = "/ws"
# Where trame's client asks first, for the address of the socket.
_WHERE = "/paraview/"
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Gate:
    """Stands before everything that the server offers.

    A request needs this computer's Host, no foreign Origin, and the token: in the address of the first page, in a
    cookie afterwards. A second page is told that there is another one, and may take its place.
    """

    def __init__(self) -> None:
        self.token = secrets.token_urlsafe(32)
        self._page: web.Request | None = None

    def guard(self, app: web.Application) -> None:
        """Put the gate before an application that was not started yet."""

        @web.middleware
        async def check(request: web.Request, handler: _Handler) -> web.StreamResponse:
            return await self._answer(request, handler)

        app.middlewares.append(check)
        app.on_response_prepare.append(_add_headers)

    def address(self, port: int) -> str:
        """Return what a person opens."""
        return f"http://{LOOPBACK}:{port}/?token={self.token}"

    async def _answer(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        if not _is_local(request):
            return web.Response(status=403, text="This viewer answers only to pages of this computer.")
        if not self._knows_token(request):
            return web.Response(status=403, text=INCOMPLETE_ADDRESS, content_type="text/html")
        if request.path in ("/", "/index.html"):
            return self._welcome(request)
        if request.path == _WHERE:
            return web.json_response({"sessionURL": f"ws://{request.host}{_SOCKET}"})
        if request.path == "/free":
            return web.Response(status=409 if self._page else 204)
        if request.path == _SOCKET:
            return await self._connect(request, handler)
        return await handler(request)

    def _welcome(self, request: web.Request) -> web.Response:
        if self._page is not None and "take" not in request.query:
            return self._page_response(request, OTHER_TAB)
        self._leave_other_page()
        return self._page_response(request, index_page())

    async def _connect(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        if self._page is not None:
            return web.Response(status=409, text="The viewer is open in another tab.")
        self._page = request
        try:
            return await handler(request)
        finally:
            if self._page is request:
                self._page = None

    def _leave_other_page(self) -> None:
        """Cut the line of the page that is connected now; the scene stays as it is."""
        page, self._page = self._page, None
        if page is not None and page.transport is not None:
            page.transport.close()

    def _page_response(self, request: web.Request, text: str) -> web.Response:
        response = web.Response(text=text, content_type="text/html")
        response.set_cookie(_cookie_name(request), self.token, httponly=True, samesite="Strict", path="/")
        return response

    def _knows_token(self, request: web.Request) -> bool:
        given = (request.query.get("token", ""), request.cookies.get(_cookie_name(request), ""))
        # Both are compared always, and in constant time: the answer's delay tells nothing about the token.
        # aiohttp hands on bytes that are no text as surrogates.
        fits = [secrets.compare_digest(text.encode(errors="surrogateescape"), self.token.encode()) for text in given]
        return any(fits)


def _port(request: web.Request) -> int:
    assert request.transport is not None
    return int(request.transport.get_extra_info("sockname")[1])


def _cookie_name(request: web.Request) -> str:
    # Cookies of one host are shared by all its ports: two viewers must not overwrite each other's.
    return f"dfqsam_{_port(request)}"


def _is_local(request: web.Request) -> bool:
    """Refuses names that an attacker's server resolves to this computer, and pages of other origins."""
    hosts = [f"{name}:{_port(request)}" for name in _NAMES]
    origin = request.headers.get("Origin")
    origin_is_fine = origin == f"http://{request.host}" or (origin is None and request.path != _SOCKET)
    return request.host in hosts and origin_is_fine


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(
        {
            # The page's own code compiles templates, hence eval; nothing may come from, or go to, another host.
            "Content-Security-Policy": "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
            "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
            f"connect-src 'self' ws://{request.host}; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; "
            "form-action 'none'; frame-ancestors 'none'",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
        }
    )
