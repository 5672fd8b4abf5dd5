"""The viewer's process and the system's Chromium, for tests that do what a person does."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dfqsam_core.resources import DEMO_MODEL, DEMO_VOLUME, resource_path
from Testing.support.needs import skip_or_fail
from Testing.support.nursery import Nursery
from Testing.support.shared_viewer import SharedViewer
from Testing.support.viewer import CHROMIUM_FLAGS, ROOT, Person, ViewerProcess, chromium


def pytest_configure(config: pytest.Config) -> None:
    """Say what the mark of these tests is for."""
    config.addinivalue_line("markers", "shares_the_viewer: leaves nothing behind that opening the volume anew keeps")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium without a window."""
    executable = chromium()
    try:
        import trame_slicer  # noqa: F401
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        # Also in CI: `make test` runs all tests in an environment without the viewer's packages.
        pytest.skip(f"{error.name} is not installed here: `make test-browser` has an environment for it")
    if executable is None:
        skip_or_fail("there is no Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=executable, args=CHROMIUM_FLAGS)
        yield found
        found.close()


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """What viewers are forked from."""
    found = Nursery()
    yield found
    found.close()


@pytest.fixture
def start(tmp_path: Path, browser: Any, nursery: Nursery) -> Iterator[Callable[..., ViewerProcess]]:
    """Starts viewers that end with the test; they may use the test's own folder. nursery=None: as a person does."""
    started: list[ViewerProcess] = []

    def begin(*arguments: str | Path, **options: Any) -> ViewerProcess:
        started.append(ViewerProcess(tmp_path / f"data-{len(started)}", *arguments, **{"nursery": nursery, **options}))
        return started[-1]

    yield begin
    for viewer in started:
        viewer.stop()


@pytest.fixture(scope="session")
def model_path() -> Path:
    """The packed model that `make demo` left or DFQSAM_PACKED_MODEL names, else the embedded one."""
    packed = Path(os.environ.get("DFQSAM_PACKED_MODEL") or ROOT / "demo-output" / "sam-med2d_demo-w4a4.safetensors")
    return packed.resolve() if packed.is_file() else resource_path(DEMO_MODEL)


@pytest.fixture
def viewer(start: Callable[..., ViewerProcess], model_path: Path, tmp_path: Path) -> ViewerProcess:
    """A viewer on the embedded CT, whose file dialogs show the test's own folder."""
    return start(resource_path(DEMO_VOLUME), "-m", model_path, "--root", tmp_path)


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[[str], Person]]:
    """Opens pages of 1280 x 720 that are closed with the test."""
    contexts: list[Any] = []

    def begin(address: str, context: Any = None) -> Person:
        if context is None:
            context = browser.new_context(viewport={"width": 1280, "height": 720})
            contexts.append(context)
        return Person(context.new_page(), address)

    yield begin
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def shared_viewer(
    browser: Any, nursery: Nursery, model_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SharedViewer]:
    """A viewer on the embedded CT for all tests that leave it as it was."""
    folder = tmp_path_factory.mktemp("shared")
    volume = shutil.copy(resource_path(DEMO_VOLUME), folder)

    def begin() -> tuple[ViewerProcess, Person]:
        viewer = ViewerProcess(folder / "data", volume, "-m", model_path, "--root", folder, nursery=nursery)
        person = Person(browser.new_page(viewport={"width": 1280, "height": 720}), viewer.address)
        person.wait_until_idle()
        return viewer, person

    found = SharedViewer(begin, str(volume))
    yield found
    found.close()


@pytest.fixture
def shared_person(request: pytest.FixtureRequest, shared_viewer: SharedViewer) -> Iterator[Person]:
    """Somebody at the page of the shared viewer, which a test that fails takes with it."""
    failed = request.session.testsfailed
    yield shared_viewer.person()
    if request.session.testsfailed > failed:
        shared_viewer.close()
    else:
        shared_viewer.put_back()


@pytest.fixture
def person(request: pytest.FixtureRequest) -> Person:
    """Somebody at the page of `viewer`, with the volume on it and the model loaded, or at that of the shared viewer."""
    if request.node.get_closest_marker("shares_the_viewer"):
        shared: Person = request.getfixturevalue("shared_person")
        return shared
    found: Person = request.getfixturevalue("open_page")(request.getfixturevalue("viewer").address)
    found.wait_until_idle()
    return found


@pytest.fixture(scope="session")
def pictures() -> Path:
    """Where screenshots for the pages go: docs/pictures when PICTURES=1, else a folder that is thrown away."""
    folder = ROOT / ("docs/pictures" if os.environ.get("PICTURES") == "1" else ".work/pictures")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


if sys.platform == "win32":
    collect_ignore_glob = ["*"]
