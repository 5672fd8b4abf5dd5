"""The story of Testing/support/story.py at the panel and in the Segment Editor; RECORD_STORY=1 writes its end anew."""

from __future__ import annotations

import json
import os

import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-panel")
pytest.importorskip("PySide6", reason="PySide6 is not installed: make test-panel")

from Testing.support import finished, story


@pytest.fixture
def models(monkeypatch, slicer_app, tmp_path):
    """The grey models, of which the first was used last."""
    found = story.put_models_on_stage(monkeypatch.setattr, tmp_path)
    slicer_app.userSettings().setValue("DFQSAMSlicer/ModelFile", str(found[0]))
    return found


SWITCHES = {"auto accept": "autoAcceptBox", "refine": "refineBox", "protect others": "protectBox"}


class PanelStage:
    """Buttons, keys, boxes and lists of the Segment panel."""

    def __init__(self, person):
        self.person, self.room = person, person.panel.room

    def do(self, verb, *arguments):
        ui = self.person.ui
        if verb in self.person.panel.shortcuts.by_name:
            self.person.panel.shortcuts.by_name[verb].activated.emit()
        elif verb in SWITCHES:
            getattr(ui, SWITCHES[verb]).setChecked(*arguments)
        elif verb == "choose segment":
            ui.segmentsTable.setSelectedSegmentIDs(list(arguments))
        elif verb == "propagate":
            ui.firstSliceBox.setValue(arguments[0] + 1)
            ui.lastSliceBox.setValue(arguments[1] + 1)
            assert ui.propagateButton.isEnabled()
            ui.propagateButton.click()
        elif verb == "window":
            width, level = map(float, arguments[0].split(","))
            ui.windowWidthBox.setValue(width)
            ui.windowLevelBox.setValue(level)
        else:
            button = {"add segment": ui.addSegmentButton, "clear slice": ui.clearSliceButton}[verb]
            assert button.isEnabled()
            button.click()

    def wait(self):
        self.person.wait()

    def choose_model(self, path):
        self.person.widget.onModelChosen(path)


class EffectStage:
    """Buttons and boxes of the effect; what the Segment Editor itself offers is done on its node."""

    def __init__(self, effect, editor, settings):
        self.effect, self.editor, self.settings = effect, editor, settings
        self.room = effect.prompting

    def do(self, verb, *arguments):
        effect = self.effect
        buttons = {**effect.tools, "accept": effect.accept, "discard": effect.discard, "undo": effect.undo}
        buttons |= {f"candidate {n + 1}": button for n, button in enumerate(effect.candidates)}
        switches = {"auto accept": effect.autoAccept, "refine": effect.refine, "protect others": effect.protect}
        if verb in buttons:
            assert buttons[verb].isEnabled(), (self.room.sentence, self.room.state())
            buttons[verb].click()
        elif verb in switches:
            switches[verb].setChecked(*arguments)
        elif verb == "choose segment":
            self.editor.node.SetSelectedSegmentID(*arguments)
        else:
            # Keys and lists that the editor has no button of ours for.
            effect.onVerb(verb, *arguments)

    def wait(self):
        finished.wait_for(self._is_idle, pause=lambda: self.room.worker.wait(0.05))

    def choose_model(self, path):
        self.settings.setValue("DFQSAMSlicer/ModelFile", str(path))

    def _is_idle(self):
        self.effect.onTick()
        return self.room.is_idle


def check(end):
    if os.environ.get("RECORD_STORY") == "1":
        story.END.write_text(json.dumps(end, indent=1) + "\n", encoding="utf-8")
    assert end == story.told()


def test_the_panel_ends_the_story_as_it_was_told(models, person):
    check(story.play(PanelStage(person), models))


@pytest.fixture
def editor(world, a_volume_node):
    """A Segment Editor on an empty segmentation of the phantom."""
    from dfqsam_scene.nodes.segments import new_segmentation
    from Testing.support.segment_editor_host import SegmentEditorHost

    return SegmentEditorHost(world.scene, new_segmentation(a_volume_node, "Organs"), a_volume_node)


@pytest.fixture
def effect(models, editor, effect_class, views):
    """The effect, active in that editor."""
    from Testing.support.segment_editor_host import ScriptedEffect

    found = effect_class(ScriptedEffect(editor))
    found.setMRMLDefaults()
    found.setupOptionsFrame()
    found.updateGUIFromMRML()
    found.activate()
    yield found
    found.deactivate()
    found.cleanup()


def test_the_effect_ends_the_story_as_it_was_told(models, effect, editor, slicer_app):
    check(story.play(EffectStage(effect, editor, slicer_app.userSettings()), models))
