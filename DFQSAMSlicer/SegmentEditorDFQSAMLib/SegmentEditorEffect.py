"""The effect "SAM-Med2D" of Slicer's Segment Editor: buttons around dfqsam_scene.prompting.editor_effect.

Slicer runs this file under the name of its folder, so the folder holds nothing else and is no package to import from.
"""

from __future__ import annotations

from pathlib import Path

import qt
from SegmentEditorEffects import AbstractScriptedSegmentEditorEffect
from slicer.i18n import tr as _

# Verbs of the switches by the parameters that keep them in the editor's node, and whether they are on at first.
_SWITCHES = {
    "AutoAccept": ("auto accept", True),
    "Refine": ("refine", False),
    "ProtectOthers": ("protect others", True),
    "EncodeAhead": ("encode ahead", True),
}
_IN_A_ROW = 2


class SegmentEditorEffect(AbstractScriptedSegmentEditorEffect):
    """Prompts for the selected segment, predicted slice by slice with the model that the module has chosen."""

    def __init__(self, scriptedEffect):
        scriptedEffect.name = "SAM-Med2D"
        scriptedEffect.perSegment = True
        scriptedEffect.requireSegments = True
        AbstractScriptedSegmentEditorEffect.__init__(self, scriptedEffect)
        self.prompting = self._verbs = self._timer = None
        self._connections = []

    def clone(self):
        """Return another instance, as each Segment Editor has its own."""
        import qSlicerSegmentationsEditorEffectsPythonQt as effects

        cloned = effects.qSlicerSegmentEditorScriptedEffect(None)
        cloned.setPythonSource(Path(__file__).as_posix())
        return cloned

    def icon(self):
        """Return the module's icon."""
        path = Path(__file__).resolve().parents[1] / "Resources" / "Icons" / "DFQSAMSlicer.png"
        return qt.QIcon(str(path)) if path.is_file() else qt.QIcon()

    def helpText(self):
        """Return what the editor shows under its buttons."""
        return _(
            "<html>Segment the selected segment on one slice at a time from points, boxes, scribbles and lassos, or on "
            "all slices of a 3D box, with a SAM-Med2D network on this computer's processor: float or packed to few "
            "bits, as the line over the tools says. Masking and overwriting follow the settings below; other segments "
            "are protected unless that is switched off. For research only; not a medical device.</html>"
        )

    def setupOptionsFrame(self):
        """Make the buttons; no model is loaded and no package of the model's imported here."""
        from dfqsam_scene.prompting.keys import TOOL_NAMES, tool_tip

        self.message = qt.QLabel()
        self.message.setWordWrap(True)
        self.scriptedEffect.addOptionsWidget(self.message)
        self.model = qt.QLabel(_("The model is loaded with the first tool."))
        self.model.setWordWrap(True)
        self.scriptedEffect.addOptionsWidget(self.model)
        self.tools = {role: self._button(TOOL_NAMES[role], tool_tip(role), role) for role in TOOL_NAMES}
        self._tips = {role: tool_tip(role) for role in TOOL_NAMES}
        for button in self.tools.values():
            button.setCheckable(True)
        buttons = list(self.tools.values())
        for first in range(0, len(buttons), _IN_A_ROW):
            self._row(*buttons[first : first + _IN_A_ROW])
        self.candidates = [
            self._button(str(n), _("Use mask {n} of this slice.").format(n=n), f"candidate {n}") for n in (1, 2, 3)
        ]
        for button in self.candidates:
            button.setCheckable(True)
        self._row(*self.candidates)
        self.accept = self._button(_("Accept"), _("Write the preview into the segment."), "accept")
        self.discard = self._button(_("Discard"), _("Forget the preview and its prompts."), "discard")
        self.undo = self._button(_("Undo prompt"), _("Take the last prompt and what it changed back."), "undo")
        self._row(self.accept, self.discard, self.undo)
        self.starts = self._button(_("Starts here"), tool_tip("starts here"), "starts here")
        self.ends = self._button(_("Ends here"), tool_tip("ends here"), "ends here")
        self._row(self.starts, self.ends)
        tip = _("Carry the segment from its prompted slices to all others, or to its ends. One undo step.")
        self.propagate = self._button(_("Propagate"), tip, "propagate")
        self.nextPrompt = self._button(_("Next prompt"), tool_tip("next prompt"), "next prompt")
        self._row(self.propagate, self.nextPrompt)
        self.autoAccept = qt.QCheckBox(_("Apply immediately"))
        self.refine = qt.QCheckBox(_("Refine mask"))
        self.protect = qt.QCheckBox(_("Protect others"))
        self.encodeAhead = qt.QCheckBox(_("Prepare neighbours"))
        self._boxes = dict(zip(_SWITCHES, (self.autoAccept, self.refine, self.protect, self.encodeAhead), strict=True))
        for box in self._boxes.values():
            self.scriptedEffect.addOptionsWidget(box)
            self._connect(box, "toggled(bool)", lambda _checked: self.updateMRMLFromGUI())

    def setMRMLDefaults(self):
        """Set the switches to what they are at first."""
        for name, (_verb, is_on) in _SWITCHES.items():
            self.scriptedEffect.setParameterDefault(name, int(is_on))

    def updateGUIFromMRML(self):
        """Show the switches as the editor's node has them."""
        for name, box in self._boxes.items():
            was = box.blockSignals(True)
            box.setChecked(self.scriptedEffect.integerParameter(name) != 0)
            box.blockSignals(was)
        self._hand_on()

    def updateMRMLFromGUI(self):
        """Keep the switches in the editor's node."""
        for name, box in self._boxes.items():
            self.scriptedEffect.setParameter(name, int(box.isChecked()))
        self._hand_on()

    def interactionNodeModified(self, interactionNode):
        """Placing points is what this effect is for; the editor's default would end it here."""

    def activate(self):
        """Begin to follow the editor, where all packages are installed."""
        from DFQSAMSlicerLib import dependencies

        if dependencies.missing():
            self.message.setText(_("Some packages are missing. Open the module DFQSAMSlicer and press Install there."))
            return
        self._start()
        self.prompting.activate()
        self._timer.start()

    def deactivate(self):
        """End placing; the prompts stay in the scene."""
        if self.prompting is not None:
            self._timer.stop()
            self.prompting.deactivate()

    def cleanup(self):
        """Slicer closes or the effect is removed."""
        # Qt keeps what is connected, and this effect with it, as long as the buttons live.
        for widget, signal, slot in self._connections:
            widget.disconnect(signal, slot)
        self._connections = []
        if self.prompting is not None:
            self._timer.stop()
            self.prompting.close()
            self.prompting = self._verbs = self._timer = None

    def onVerb(self, name, *arguments):
        """Do what a button asks for, while the effect is the active one."""
        if self.prompting is not None and self.prompting.is_active:
            self._verbs[name](*arguments)
        self.show()

    def onTick(self):
        """Do what is due, in the main thread."""
        if self.prompting.tick():
            self.show()
        self._set_pace(self.prompting.is_working)

    def show(self):
        """Draw what there is to see."""
        if self.prompting is None:
            return
        state = self.prompting.state()
        for role, button in self.tools.items():
            is_refused = role in state.training.refused_tools
            button.setChecked(role == state.tool)
            button.setEnabled(not is_refused)
            button.setToolTip(state.training.why_refused if is_refused else self._tips[role])
        self.refine.setEnabled(state.training.can_refine)
        self._follow_switch(state.encode_ahead)
        for n, button in enumerate(self.candidates):
            is_there = n < len(state.candidates)
            button.setEnabled(is_there)
            button.setChecked(is_there and state.candidates[n].chosen)
            button.setText(f"{n + 1}: {state.candidates[n].text}" if is_there else str(n + 1))
        self.accept.setEnabled(state.has_preview)
        self.discard.setEnabled(state.has_preview)
        self.undo.setEnabled(state.can_undo)
        first, last = state.ends.first, state.ends.last
        self.starts.setText(_("Starts here") if first is None else _("Starts: {index}").format(index=first + 1))
        self.ends.setText(_("Ends here") if last is None else _("Ends: {index}").format(index=last + 1))
        self.propagate.setEnabled(state.can_propagate and not state.is_working)
        self.nextPrompt.setEnabled(state.next_prompt is not None)
        self.message.setText(state.message)
        if state.model.kind:
            self.model.setText(_("Model: {name}, {kind}").format(name=state.model.name, kind=state.model.kind))
        self.message.setStyleSheet("color: #c0392b;" if state.is_error else "")

    def _follow_switch(self, encode_ahead):
        """A model that takes seconds a slice switches encoding ahead off."""
        if self.encodeAhead.isChecked() != encode_ahead:
            was = self.encodeAhead.blockSignals(True)
            self.encodeAhead.setChecked(encode_ahead)
            self.encodeAhead.blockSignals(was)
            self.scriptedEffect.setParameter("EncodeAhead", int(encode_ahead))

    def _start(self):
        from DFQSAMSlicerLib.segment_panel.model_choice import chosen_conventions, chosen_model
        from DFQSAMSlicerLib.slice_views import shown_views
        from DFQSAMSlicerLib.ticks import new_timer

        from dfqsam_scene.prompting.editor_effect import EditorHost, EditorPrompting
        from dfqsam_scene.prompting.verbs import Verbs

        if self.prompting is None:
            effect = self.scriptedEffect
            self._timer = new_timer(self.onTick)
            self._connections.append((self._timer, "timeout()", self.onTick))
            node, save = effect.parameterSetNode(), effect.saveStateForUndo
            host = EditorHost(node, save, chosen_model, shown_views, self._set_pace, chosen_conventions)
            self.prompting = EditorPrompting(host)
            self._verbs = Verbs(self.prompting).by_name()
        self._hand_on()

    def _set_pace(self, is_working=True):
        from DFQSAMSlicerLib.ticks import set_pace

        set_pace(self._timer, is_working)

    def _hand_on(self):
        if self.prompting is not None:
            for name, (verb, _is_on) in _SWITCHES.items():
                self._verbs[verb](self._boxes[name].isChecked())

    def _connect(self, widget, signal, slot):
        widget.connect(signal, slot)
        self._connections.append((widget, signal, slot))

    def _button(self, text, tip, verb):
        button = qt.QPushButton(text)
        button.setToolTip(tip)
        self._connect(button, "clicked()", lambda: self.onVerb(verb))
        return button

    def _row(self, *buttons):
        row = qt.QHBoxLayout()
        for button in buttons:
            row.addWidget(button)
        self.scriptedEffect.addOptionsWidget(row)
