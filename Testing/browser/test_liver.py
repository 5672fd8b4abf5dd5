"""The recorded session that the pictures of README and docs/viewer.md come from, held against the sample's label."""

from __future__ import annotations

from pathlib import Path

import SimpleITK as sitk

from dfqsam_core.evaluate import dice
from dfqsam_core.resources import DEMO_VOLUME, resource_path
from Testing.support.recorded import LIVER_SESSION, actions_of, replay
from Testing.support.viewer import Person, keep_picture

from .test_session import save

LABELS, LIVER_NUMBER = resource_path(DEMO_VOLUME).with_name("ct_abdomen_labels.nii.gz"), 5
LEAST_DICE = 0.93


def test_three_clicks_propagate_and_two_corrections_give_the_liver(
    person: Person, tmp_path: Path, pictures: Path
) -> None:
    actions = actions_of(LIVER_SESSION)
    kinds = [action["do"] for action in actions]
    turn = kinds.index("key")
    assert (kinds[:turn].count("click"), kinds[turn:].count("click")) == (3, 2)
    replay(person, actions, lambda name: keep_picture(person, pictures / name))
    save(person, "liver.nii.gz")
    found = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "liver.nii.gz")))
    truth = sitk.GetArrayFromImage(sitk.ReadImage(str(LABELS)))
    assert dice(found == LIVER_NUMBER, truth == LIVER_NUMBER) >= LEAST_DICE
    assert person.errors == []
