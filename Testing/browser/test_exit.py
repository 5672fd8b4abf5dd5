"""The viewer ends with code 0 whatever it is doing, and so it does while it starts.

DFQSAM_EXITS=20 make test-browser   # 20 random moments instead of 2
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dfqsam_core.base.system.signals import stop_signals
from dfqsam_core.resources import DEMO_VOLUME, resource_path
from Testing.support.finished import PATIENCE_SECONDS, wait_for
from Testing.support.viewer import ROOT, Person, ViewerProcess

MOMENTS = int(os.environ.get("DFQSAM_EXITS", "2"))
# From the first slice that is encoded until a propagation is written, on a machine with other work to do.
LATEST_SECONDS = 4.0
# Without SIGHUP where `nohup` has these tests ignore it.
SIGNALS = [signal.Signals(number).name for number in stop_signals()]
RNG = random.Random("viewer")
ENDS = [(RNG.choice(SIGNALS), round(RNG.uniform(0.0, LATEST_SECONDS), 2)) for _ in range(MOMENTS)]

# Sends itself a signal in the middle of an import: one that raises there would come out as another error, or as none.
_STOPPED_BY = """
import os, signal, sys
class Stop:
    def find_spec(self, name, path=None, target=None):
        if name == "{module}":
            os.kill(os.getpid(), signal.{signal})
sys.meta_path.insert(0, Stop())
from dfqsam_core.cli.main import main
sys.exit(main({arguments!r}))
"""


@pytest.mark.parametrize(("name", "seconds"), ENDS)
def test_the_viewer_ends_with_code_0_at_any_moment(
    start: Callable[..., ViewerProcess],
    open_page: Callable[[str], Person],
    tmp_path: Path,
    model_path: Path,
    name: str,
    seconds: float,
) -> None:
    viewer = start(resource_path(DEMO_VOLUME), "-m", model_path, "--root", tmp_path, nursery=None)
    person = open_page(viewer.address)
    person.wait_until(lambda: person.state("volume") is not None)
    person.do("positive")
    person.page.wait_for_timeout(1000 * seconds / 2)
    person.click("axial", 0.33, 0.45)
    person.page.wait_for_timeout(1000 * seconds / 2)
    person.do("propagate")
    viewer.process.send_signal(getattr(signal, name))
    wait_for(lambda: viewer.process.poll() is not None)
    assert viewer.process.returncode == 0, viewer.text
    assert viewer.text.endswith("The viewer has ended.\n")


@pytest.mark.parametrize("name", SIGNALS)
@pytest.mark.parametrize("module", ["dfqsam_viewer.server", "trame_slicer", "dfqsam_viewer.model_page"])
def test_the_viewer_ends_with_code_0_while_it_starts(browser: object, tmp_path: Path, module: str, name: str) -> None:
    arguments = ["view", str(resource_path(DEMO_VOLUME)), "--no-browser", "--root", str(tmp_path)]
    program = _STOPPED_BY.format(module=module, signal=name, arguments=arguments)
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "XDG_DATA_HOME": str(tmp_path),
        "VTK_DEFAULT_OPENGL_WINDOW": "vtkEGLRenderWindow",
    }
    environment.pop("DISPLAY", None)
    end = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert end.returncode == 0, end.stderr
    assert "The viewer is open" not in end.stdout
    assert end.stderr.endswith("The viewer has ended.\n")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system itself draws")
def test_where_nothing_can_draw_the_viewer_says_what_to_install(browser: object, tmp_path: Path) -> None:
    """It crashed without a word on a Debian that has no desktop."""
    from dfqsam_viewer.drawing import _OSMESA, _is_there

    if any(map(_is_there, _OSMESA)):
        pytest.skip("VTK's last resort is installed here")
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "XDG_DATA_HOME": str(tmp_path),
        # What VTK chooses where there is neither a display nor EGL.
        "VTK_DEFAULT_OPENGL_WINDOW": "vtkOSOpenGLRenderWindow",
    }
    end = subprocess.run(
        [sys.executable, "-m", "dfqsam_core", "view", "--no-browser", "--root", str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert end.returncode == 2, end.stderr
    assert "sudo apt-get install libegl1 libgl1-mesa-dri" in end.stderr
    assert "Traceback" not in end.stderr
