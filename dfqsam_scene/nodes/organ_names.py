"""Names of organs with the numbers that TotalSegmentator's label maps have for them (its task "total", version 2)."""

from __future__ import annotations

from itertools import chain


def _sides(*names: str) -> list[str]:
    return [f"{name}_{side}" for name in names for side in ("left", "right")]


_NAMES = [
    *("spleen", "kidney_right", "kidney_left", "gallbladder", "liver", "stomach", "pancreas"),
    *("adrenal_gland_right", "adrenal_gland_left", "lung_upper_lobe_left", "lung_lower_lobe_left"),
    *("lung_upper_lobe_right", "lung_middle_lobe_right", "lung_lower_lobe_right", "esophagus", "trachea"),
    *("thyroid_gland", "small_bowel", "duodenum", "colon", "urinary_bladder", "prostate", "kidney_cyst_left"),
    *("kidney_cyst_right", "sacrum", "vertebrae_S1"),
    *(f"vertebrae_L{n}" for n in range(5, 0, -1)),
    *(f"vertebrae_T{n}" for n in range(12, 0, -1)),
    *(f"vertebrae_C{n}" for n in range(7, 0, -1)),
    *("heart", "aorta", "pulmonary_vein", "brachiocephalic_trunk", "subclavian_artery_right"),
    *("subclavian_artery_left", "common_carotid_artery_right", "common_carotid_artery_left"),
    *("brachiocephalic_vein_left", "brachiocephalic_vein_right", "atrial_appendage_left", "superior_vena_cava"),
    *("inferior_vena_cava", "portal_vein_and_splenic_vein"),
    *_sides("iliac_artery", "iliac_vena", "humerus", "scapula", "clavicula", "femur", "hip"),
    "spinal_cord",
    *_sides("gluteus_maximus", "gluteus_medius", "gluteus_minimus", "autochthon", "iliopsoas"),
    *("brain", "skull"),
    *chain.from_iterable([f"rib_{side}_{n}" for n in range(1, 13)] for side in ("left", "right")),
    *("sternum", "costal_cartilages"),
]
# Name as people read it, to number.
ORGANS = {name.replace("_", " "): number for number, name in enumerate(_NAMES, start=1)}


def organ_number(name: str) -> int | None:
    """The number of an organ; None for another name. Underscores count as spaces, capitals as small letters."""
    wanted = " ".join(name.replace("_", " ").split()).lower()
    return next((number for organ, number in ORGANS.items() if organ.lower() == wanted), None)
