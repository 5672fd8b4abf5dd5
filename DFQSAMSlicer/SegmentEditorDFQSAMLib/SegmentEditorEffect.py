"""The effect "SAM 4-bit" of Slicer's Segment Editor: buttons around dfqsam_scene.prompting.editor_effect.

Slicer runs this file under the name of its folder, so the folder holds nothing else and is no package to import from.
"""

from __future__ import annotations

from pathlib import Path

import qt
from SegmentEditorEffects import AbstractScriptedSegmentEditorEffect
from slicer.i18n import tr as _

_PROTECT, _ACCEPT = "ProtectOthers", "AutoAccept"
_TICK_MS = 30


class SegmentEditorEffect(AbstractScriptedSegmentEditorEffect):
    """Points and boxes for the selected segment, predicted slice by slice with the module's packed 4-bit model."""

    def __init__(self, scriptedEffect):
        scriptedEffect.name = "SAM 4-bit"
        scriptedEffect.perSegment = True
        scriptedEffect.requireSegments = True
        AbstractScriptedSegmentEditorEffect.__init__(self, scriptedEffect)
        self.prompting = None
        self._timer = None
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
            "<html>Segment the selected segment on one slice at a time from points and boxes, with a packed 4-bit "
            "SAM-Med2D on this computer's processor. Masking and overwriting follow the settings below; other segments "
            "are protected unless that is switched off. For research only; not a medical device.</html>"
        )

    def setupOptionsFrame(self):
        """Make the buttons; no model is loaded and no package imported here."""
        self.message = qt.QLabel()
        self.message.setWordWrap(True)
        self.scriptedEffect.addOptionsWidget(self.message)
        self.tools = {
            "positive": self._button(_("Positive point"), _("Click inside the structure.")),
            "negative": self._button(_("Negative point"), _("Click where the segment should not be.")),
            "box": self._button(_("Box"), _("Click two opposite corners in one slice view.")),
        }
        for role, button in self.tools.items():
            button.setCheckable(True)
            self._connect(button, "clicked()", lambda role=role: self.onTool(role))
        self._row(*self.tools.values())
        self.accept = self._button(_("Accept"), _("Write the preview into the segment."))
        self._connect(self.accept, "clicked()", lambda: self._act("accept_preview"))
        self.discard = self._button(_("Discard"), _("Forget the preview and its prompts."))
        self._connect(self.discard, "clicked()", lambda: self._act("discard_preview"))
        self.undo = self._button(_("Undo prompt"), _("Take the last prompt and what it changed back."))
        self._connect(self.undo, "clicked()", lambda: self._act("undo"))
        self._row(self.accept, self.discard, self.undo)
        self.protect = qt.QCheckBox(_("Protect other segments"))
        self.autoAccept = qt.QCheckBox(_("Accept at once"))
        for box in (self.protect, self.autoAccept):
            self.scriptedEffect.addOptionsWidget(box)
            self._connect(box, "toggled(bool)", lambda _checked: self.updateMRMLFromGUI())

    def setMRMLDefaults(self):
        """Both switches are on at first."""
        for name in (_PROTECT, _ACCEPT):
            self.scriptedEffect.setParameterDefault(name, 1)

    def updateGUIFromMRML(self):
        """Show the switches as the editor's node has them."""
        for name, box in ((_PROTECT, self.protect), (_ACCEPT, self.autoAccept)):
            was = box.blockSignals(True)
            box.setChecked(self.scriptedEffect.integerParameter(name) != 0)
            box.blockSignals(was)
        self._hand_on()

    def updateMRMLFromGUI(self):
        """Keep the switches in the editor's node."""
        for name, box in ((_PROTECT, self.protect), (_ACCEPT, self.autoAccept)):
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
            self.prompting = self._timer = None

    def onTool(self, role):
        """Choose a tool, or put it down when it is the present one."""
        if self.prompting is not None and self.prompting.is_active:
            self.prompting.choose_tool(None if self.prompting.wanted == role else role)
        self.show()

    def onTick(self):
        """Do what is due, in the main thread."""
        self.prompting.tick()
        self.show()

    def show(self):
        """Bring buttons and message up to date."""
        prompting = self.prompting
        workspace = None if prompting is None else prompting.workspace
        for role, button in self.tools.items():
            button.setChecked(prompting is not None and prompting.wanted == role)
        has_preview = workspace is not None and workspace.controller.preview is not None
        self.accept.setEnabled(has_preview)
        self.discard.setEnabled(has_preview)
        self.undo.setEnabled(workspace is not None and workspace.controller.can_undo)
        if prompting is not None:
            text, is_error = prompting.message
            self.message.setText(text)
            self.message.setStyleSheet("color: #c0392b;" if is_error else "")

    def _start(self):
        from DFQSAMSlicerLib.segment_panel.model_choice import chosen_model

        from dfqsam_scene.prompting.editor_effect import EditorHost, EditorPrompting

        if self.prompting is None:
            host = EditorHost(
                self.scriptedEffect.parameterSetNode(), self.scriptedEffect.saveStateForUndo, chosen_model
            )
            self.prompting = EditorPrompting(host)
            self._timer = qt.QTimer()
            self._timer.setInterval(_TICK_MS)
            self._connect(self._timer, "timeout()", self.onTick)
        self._hand_on()

    def _hand_on(self):
        if self.prompting is not None:
            self.prompting.protect_others = self.protect.isChecked()
            self.prompting.auto_accept = self.autoAccept.isChecked()

    def _act(self, action):
        if self.prompting is not None and self.prompting.workspace is not None:
            getattr(self.prompting.workspace.controller, action)()
            self.show()

    def _connect(self, widget, signal, slot):
        widget.connect(signal, slot)
        self._connections.append((widget, signal, slot))

    def _button(self, text, tip):
        button = qt.QPushButton(text)
        button.setToolTip(tip)
        return button

    def _row(self, *buttons):
        row = qt.QHBoxLayout()
        for button in buttons:
            row.addWidget(button)
        self.scriptedEffect.addOptionsWidget(row)
