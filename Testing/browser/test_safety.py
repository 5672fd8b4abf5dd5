"""Who may reach the viewer, what its dialogs can reach, and what survives a browser that is killed."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import SimpleITK as sitk

from dfqsam_core.resources import DEMO_VOLUME, resource_path
from Testing.support.finished import PATIENCE_SECONDS, wait_for
from Testing.support.viewer import CHROMIUM_FLAGS, Person, ViewerProcess, chromium

OpenPage = Callable[..., Person]
SOCKET = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
}


def ask(viewer: ViewerProcess, path: str, headers: dict[str, str] | None = None) -> tuple[int, dict[str, str], str]:
    """Status, headers and text of an answer; `headers` may replace Host."""
    connection = http.client.HTTPConnection("127.0.0.1", viewer.port, timeout=PATIENCE_SECONDS)
    connection.putrequest("GET", path, skip_host=True)
    for name, value in {"Host": f"127.0.0.1:{viewer.port}", **(headers or {})}.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    found = (
        answer.status,
        dict(answer.getheaders()),
        "" if answer.status == 101 else answer.read().decode("utf-8", "replace"),
    )
    connection.close()
    return found


def cookie(viewer: ViewerProcess) -> dict[str, str]:
    """What the first page leaves in a browser."""
    _, headers, _ = ask(viewer, "/?" + viewer.address.split("?")[1])
    return {"Cookie": headers["Set-Cookie"].split(";")[0]}


def test_only_this_computer_with_the_token_gets_in(start: Callable[..., ViewerProcess], tmp_path: Path) -> None:
    viewer = start("--root", tmp_path)
    local, known = f"http://127.0.0.1:{viewer.port}", cookie(viewer)
    assert ask(viewer, "/", known)[0] == 200
    wrong = {
        "no token": ("/", {}),
        "wrong token": ("/?token=wrong", {}),
        "wrong cookie": ("/dfqsam/keys.js", {"Cookie": f"dfqsam_{viewer.port}=wrong"}),
        "a cookie that is no text": ("/", {"Cookie": f"dfqsam_{viewer.port}=\xff"}),
        "a file without a cookie": ("/dfqsam/keys.js", {}),
        "a socket without a cookie": ("/ws", {"Origin": local, **SOCKET}),
        "another host": ("/", {"Host": f"evil.example:{viewer.port}", **known}),
        "a host without the port": ("/", {"Host": "127.0.0.1", **known}),
        "a page of another origin": ("/dfqsam/keys.js", {"Origin": "http://evil.example", **known}),
        "a sandboxed page": ("/dfqsam/keys.js", {"Origin": "null", **known}),
        "another port's socket": ("/ws", {"Origin": "http://127.0.0.1:1", **SOCKET, **known}),
        "another origin's socket": ("/ws", {"Origin": "http://evil.example", **SOCKET, **known}),
        "a socket without an origin": ("/ws", {**SOCKET, **known}),
    }
    assert {name: ask(viewer, path, headers)[0] for name, (path, headers) in wrong.items()} == dict.fromkeys(wrong, 403)
    assert ask(viewer, "/ws", {"Origin": local, **SOCKET, **known})[0] == 101


def test_no_folder_is_listed_and_every_answer_forbids_other_hosts(
    start: Callable[..., ViewerProcess], tmp_path: Path
) -> None:
    viewer = start("--root", tmp_path)
    known = cookie(viewer)
    for path in ("/dfqsam/", "/dfqsam", "/assets/", "/icons/", "/dfqsam/../gate.py", "/dfqsam/%2e%2e/gate.py"):
        status, _, text = ask(viewer, path, known)
        assert status in (403, 404), path
        assert "keys.js" not in text
        assert "compare_digest" not in text
    _, headers, _ = ask(viewer, "/dfqsam/keys.js", known)
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "HttpOnly" in ask(viewer, "/", known)[1]["Set-Cookie"]
    assert "SameSite=Strict" in ask(viewer, "/", known)[1]["Set-Cookie"]


def test_it_listens_on_the_loopback_device_only(start: Callable[..., ViewerProcess], tmp_path: Path) -> None:
    import psutil

    viewer = start("--root", tmp_path)
    listening = {c.laddr.ip for c in psutil.Process(viewer.process.pid).net_connections("tcp") if c.status == "LISTEN"}
    assert listening == {"127.0.0.1"}


def test_the_page_asks_nobody_else_for_anything(person: Person) -> None:
    person.page.click("text=Models")
    person.page.click("text=Quantize")
    person.page.wait_for_timeout(500)
    own = ("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:")
    assert any(url.startswith("ws://127.0.0.1:") for url in person.requests)
    assert [url for url in person.requests if not url.startswith(own)] == []
    assert "token" not in person.page.url
    assert person.errors == []


def test_a_path_outside_the_roots_is_refused(person: Person, tmp_path: Path) -> None:
    outside = tmp_path.parent / "outside"
    outside.mkdir(exist_ok=True)
    (outside / "ct.nrrd").write_bytes(b"NRRD0004\n")
    (tmp_path / "link").symlink_to(outside)
    (tmp_path / "ct.nrrd").symlink_to(outside / "ct.nrrd")
    person.page.click("#open")
    person.page.wait_for_selector(".dialog")
    names = [entry["name"] for entry in person.state("dialog")["entries"]]
    assert "link" not in names
    assert "ct.nrrd" not in names
    for path in (outside, outside / "ct.nrrd", tmp_path / "link", tmp_path / ".." / "outside", "/etc/passwd", "a\0b"):
        for action in ("browse", "open path"):
            person.do("browse", str(tmp_path))
            person.wait_until(lambda: person.state("dialog")["error"] == "")
            person.do(action, str(path))
            person.wait_until(lambda: person.state("dialog")["error"] != "")
            assert person.state("dialog")["folder"] == str(tmp_path)
    person.do("close dialog")
    person.do("save")
    person.wait_until(lambda: person.state("dialog") is not None)
    person.do("save path", "../outside/evil.nrrd")
    person.wait_until(lambda: person.state("dialog") is None)
    assert not (outside / "evil.nrrd").exists(), "only the last part of a name counts"
    assert (tmp_path / "evil.nrrd").exists()


def test_a_second_tab_is_told_and_can_take_over(viewer: ViewerProcess, open_page: OpenPage, browser: Any) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    first = open_page(viewer.address, context)
    first.wait_until_idle()
    first.tool("positive")
    first.prompt("axial", 0.33, 0.45)
    second = context.new_page()
    second.set_default_timeout(1000 * PATIENCE_SECONDS)
    second.goto(viewer.address)
    second.wait_for_selector("#take", state="visible")
    assert "open in another tab" in second.inner_text("body")
    assert len(first.state("prompts")) == 1, "the first tab goes on undisturbed"
    second.click("#take")
    second.wait_for_selector("#message")
    second.wait_for_function("trame.state.get('prompts')?.length === 1")
    first.page.wait_for_selector("#closed")
    context.close()


def test_a_page_that_is_loaded_again_goes_on_without_a_question(person: Person) -> None:
    person.tool("positive")
    person.prompt("axial", 0.33, 0.45)
    person.page.reload()
    person.page.wait_for_selector("#open")
    person.wait_until(lambda: len(person.state("prompts") or ()) == 1)


def test_a_killed_browser_leaves_the_work_as_it_was(viewer: ViewerProcess, open_page: OpenPage, browser: Any) -> None:
    doomed = browser.browser_type.launch(executable_path=chromium(), args=CHROMIUM_FLAGS)
    processes = doomed.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    person = open_page(viewer.address, doomed.new_context(viewport={"width": 1280, "height": 720}))
    person.wait_until_idle()
    person.tool("positive")
    person.prompt("axial", 0.33, 0.45)
    person.click("axial", 0.40, 0.40)
    person.wait_until(lambda: len(person.state("prompts")) == 2)
    for process in processes:
        if process["type"] == "browser":
            os.kill(process["id"], signal.SIGKILL)
    again = open_page(viewer.address)
    again.wait_until(lambda: len(again.state("prompts") or ()) == 2 and not again.state("is_working"))
    again.page.keyboard.press("Control+z")
    again.wait_until(lambda: len(again.state("prompts")) == 1)
    assert viewer.process.poll() is None


def test_what_was_not_saved_is_kept_when_the_viewer_is_ended(person: Person, viewer: ViewerProcess) -> None:
    person.tool("positive")
    person.prompt("axial", 0.33, 0.45)
    viewer.stop()
    kept = Path(re.search(r"are kept in (\S+)", viewer.text).group(1))
    assert viewer.log.parent in kept.parents
    assert sitk.GetArrayFromImage(sitk.ReadImage(str(kept))).any()


@pytest.mark.shares_the_viewer
def test_a_hundred_clicks_in_ten_seconds_are_all_answered(person: Person) -> None:
    person.tool("positive")
    begin = time.monotonic()
    for n in range(100):
        x, y = 0.30 + 0.02 * (n % 10), 0.36 + 0.02 * (n // 10)
        person.page.mouse.click(*person.point_of("axial", x, y))
        person.page.wait_for_timeout(max(0.0, 100 * n - 1000 * (time.monotonic() - begin)))
    person.wait_until(lambda: len(person.state("prompts")) >= 100 and not person.state("is_working"))
    person.catch_up()
    assert len(person.state("prompts")) == 100
    assert not person.state("is_error")
    person.page.keyboard.press("Control+z")
    person.wait_until(lambda: len(person.state("prompts")) == 99)


def test_the_page_can_ask_for_nothing_but_its_actions(person: Person) -> None:
    person.do("__class__")
    person.do("open_volume", "/etc/passwd")
    person.do("model", "/etc/passwd")
    person.do("use model", "/etc/passwd")
    person.wait_until(lambda: "not in the list" in person.state("message"))
    assert person.state("model")["name"] != "passwd"
    refused = {
        ("go", "axial", "x"): "cannot be done",
        ("recolor segment", person.state("segments")[0]["id"], "#zzzzzz"): "is not a colour",
        ("propagate", -5, "many"): "cannot be done",
        ("undo", "twice"): "cannot be done",
    }
    for words, sentence in refused.items():
        person.do(*words)
        person.wait_until(lambda sentence=sentence: sentence in person.state("message"))
        assert person.state("is_error")
        person.do("next slice")
        person.wait_until(lambda: not person.state("is_error"))
    person.tool("positive")
    person.prompt("axial", 0.33, 0.45)
    assert len(person.state("prompts")) == 1


def test_wrong_arguments_are_refused_in_a_sentence(tmp_path: Path) -> None:
    pytest.importorskip("trame_slicer")
    text = tmp_path / "notes.txt"
    text.write_text("no model")
    taken = socket.create_server(("127.0.0.1", 0))
    cases = {
        ("missing.nii.gz",): "does not exist",
        (str(resource_path(DEMO_VOLUME)), "-m", str(text)): "notes.txt",
        ("--labels", str(text)): "needs the volume",
        ("--root", str(tmp_path / "nowhere")): "None of the given folders",
        ("--port", "99999"): "The port 99999 cannot be used",
        ("--port", str(taken.getsockname()[1])): "cannot be used",
    }
    for arguments, words in cases.items():
        command = [sys.executable, "-m", "dfqsam_core", "view", *arguments, "--no-browser"]
        result = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
        )
        assert result.returncode == 2, (arguments, result.stderr)
        assert words in result.stderr
        assert "Traceback" not in result.stderr
    taken.close()


@pytest.mark.skipif(os.name != "posix", reason="the browser is a shell script")
def test_no_command_line_and_no_log_shows_the_token(tmp_path: Path) -> None:
    pytest.importorskip("trame_slicer")
    browser, given, log = tmp_path / "browser", tmp_path / "given", tmp_path / "log"
    browser.write_text(f'#!/bin/sh\necho "$@" > {given}\n')
    browser.chmod(0o755)
    environment = os.environ | {
        "BROWSER": f"{browser} %s",
        "XDG_DATA_HOME": str(tmp_path),
        "VTK_DEFAULT_OPENGL_WINDOW": "vtkEGLRenderWindow",
    }
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "dfqsam_core", "view"], cwd=tmp_path, env=environment, stdout=output, stderr=output
        )
    try:
        wait_for(lambda: "End it with" in log.read_text() or process.poll() is not None)
        page = Path(given.read_text().strip().removeprefix("file://"))
        assert page.as_uri() in log.read_text()
        assert (page.stat().st_mode & 0o777, page.parent.stat().st_mode & 0o777) == (0o600, 0o700)
        address = re.search(r'url=(http://127\.0\.0\.1:\d+/\?token=([\w-]+))"', page.read_text())
        assert address
        assert address[2] not in given.read_text() + log.read_text()
        with urllib.request.urlopen(address[1]) as answer:
            assert address[2] not in answer.read().decode()
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)
    assert not page.parent.exists()
