"""The prompt encoder and mask decoder of the `segment-anything` package, loaded without its torchvision import."""

from __future__ import annotations

import functools
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from ..base.installation import install_command
from ..errors import ConfigError

_PRIVATE_NAME = f"{__package__}._segment_anything_modeling"


@functools.cache
def sam_modeling() -> ModuleType:
    """Return `segment_anything.modeling` under a private name.

    The package's own `__init__` imports torchvision, which nothing here needs; the subpackage stands alone.
    Raises ConfigError when segment-anything is not installed.
    """
    package = importlib.util.find_spec("segment_anything")
    if package is None or not package.submodule_search_locations:
        raise ConfigError(
            f"The package segment-anything is not installed. Install it with: {install_command('quantize')}"
        )
    folder = Path(package.submodule_search_locations[0]) / "modeling"
    spec = importlib.util.spec_from_file_location(
        _PRIVATE_NAME, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise ConfigError(f"segment-anything at {folder.parent} has no modeling subpackage. Reinstall it.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[_PRIVATE_NAME] = module
    spec.loader.exec_module(module)
    return module
