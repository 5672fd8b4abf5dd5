"""The Python files of Slicer that slicer-core does not ship: own stand-ins, or Slicer's own where a checkout is named.

SLICER_BASE_PYTHON: the folder Base/Python of a checkout of Slicer. The same tests must pass with it and without.
"""

from __future__ import annotations

import importlib
import os
import sys
import types
import unittest
from pathlib import Path
from typing import Any

import slicer

CHECKOUT = "SLICER_BASE_PYTHON"


class ScriptedLoadableModule:
    """Keeps the parent, which describes the module."""

    def __init__(self, parent: Any) -> None:
        self.parent = parent
        self.moduleName = type(self).__name__
        parent.title, parent.categories, parent.helpText = "", [], ""


class ScriptedLoadableModuleWidget:
    """Keeps the layout of the parent widget, finds the module's files, and cleans up before the module is unloaded."""

    def __init__(self, parent: Any) -> None:
        self.parent = parent
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.layout = parent.layout()
        manager = slicer.app.moduleManager()
        manager.connect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)

    def resourcePath(self, name: str) -> str:
        """Path of a file in the module's folder Resources."""
        return str(Path(slicer.util.modulePath(self.moduleName)).parent / "Resources" / name)

    def setup(self) -> None:
        """Nothing; Slicer adds its developer section here."""

    def cleanup(self) -> None:
        """For the module to do."""

    def _onModuleAboutToBeUnloaded(self, name: str) -> None:
        if name == self.moduleName:
            self.cleanup()
            manager = slicer.app.moduleManager()
            manager.disconnect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)


class ScriptedLoadableModuleLogic:
    """Makes the module's parameter node."""

    def __init__(self, parent: Any = None) -> None:
        self.moduleName = type(self).__name__.removesuffix("Logic")

    def getParameterNode(self) -> Any:
        """The vtkMRMLScriptedModuleNode of this module, one in a scene."""
        node = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        if node is None:
            node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
            node.UnRegister(None)
            node.SetSingletonTag(self.moduleName)
            node.SetAttribute("ModuleName", self.moduleName)
            node.SetName(slicer.mrmlScene.GenerateUniqueName(self.moduleName))
            node = slicer.mrmlScene.AddNode(node)
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    """A test with the name that Slicer's test run looks for."""

    def delayDisplay(self, message: str) -> None:
        """Slicer shows the message for a moment."""


def install() -> str:
    """Let `slicer.ScriptedLoadableModule` and its kin be imported; returns in a word which ones they are.

    Needs `qt` and `ctk`: Slicer's own files import them.
    """
    checkout = os.environ.get(CHECKOUT)
    if checkout:
        return _use_checkout(Path(checkout))
    from .parameter_wrapper import parameterNodeWrapper

    bases = (
        ScriptedLoadableModule,
        ScriptedLoadableModuleWidget,
        ScriptedLoadableModuleLogic,
        ScriptedLoadableModuleTest,
    )
    _add("ScriptedLoadableModule", {base.__name__: base for base in bases})
    _add("parameterNodeWrapper", {"parameterNodeWrapper": parameterNodeWrapper})
    install_words()
    return "stand-ins"


def install_words() -> None:
    """Put Slicer's translation of words where Slicer has it; here it translates nothing."""
    _add("i18n", {"tr": lambda text: text, "translate": lambda context, text: text})


def _use_checkout(folder: Path) -> str:
    """Find what slicer-core lacks in a checkout; what it has, `slicer.util` above all, stays."""
    own = folder / "slicer"
    if not (own / "ScriptedLoadableModule.py").is_file():
        raise FileNotFoundError(f"{CHECKOUT} names {folder}, which has no slicer/ScriptedLoadableModule.py.")
    if str(own) not in slicer.__path__:
        slicer.__path__.append(str(own))
    for name in ("ScriptedLoadableModule", "parameterNodeWrapper", "i18n"):
        module = importlib.import_module(f"slicer.{name}")
        assert Path(module.__file__).is_relative_to(own), f"slicer.{name} was imported before from {module.__file__}"
    return "checkout"


def _add(name: str, members: dict[str, Any]) -> None:
    module = types.ModuleType(f"slicer.{name}")
    module.__dict__.update(members)
    sys.modules[module.__name__] = module
    setattr(slicer, name, module)
