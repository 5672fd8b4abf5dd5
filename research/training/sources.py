"""Which scans take part, under which licence, and in which role."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """One scan of the data folder.

    image: path of a volume file, a DICOM folder or a picture. labels: label files, later ones paint over earlier ones.
    Without an image it is a label map alone, of which painted images are made.
    axes: slice axes to sample, out of "acs" (axial, coronal, sagittal); one axis means single slices, never tilted.
    weight: how often it is drawn, relative to the others; repaint: the same for painting its labels (None: as often).
    merge: give each label file its own number. groups: labels that together are one more target, too.
    """

    name: str
    modality: str
    image: str
    licence: str
    labels: tuple[str, ...] = ()
    axes: str = "acs"
    weight: float = 1.0
    merge: bool = False
    repaint: float | None = None
    groups: tuple[tuple[int, ...], ...] = ()


CC_BY_LJUBLJANA = "CC BY (Lesjak et al., Ljubljana)"
BSD_PYRADIOMICS = "BSD-3-Clause (pyradiomics)"
MIT_SCT = "MIT (spinalcordtoolbox sct_testing_data)"
APACHE_TS = "Apache-2.0 (TotalSegmentator test data; public data set CC BY 4.0)"
BSD_NIIVUE = "BSD-2-Clause (niivue)"
CC_BY_TS = "CC BY 4.0 (TotalSegmentator data set, via scottassen/totalsegdata)"
CC_BY_AMOS = "CC BY 4.0 (AMOS, via uni-medical/SAM-Med3D)"
CC_BY_HEAD_NECK = "CC BY 4.0 (google-deepmind/tcia-ct-scan-dataset)"
SLICER = "3D Slicer licence (SPL atlases, mhalle)"

# Kidneys with their cysts, lungs of lobes, spine, heart with its appendage, bowel: TotalSegmentator's `total` numbers.
TS_GROUPS = ((3, 23), (2, 24), (10, 11), (12, 13, 14), tuple(range(25, 51)), (51, 61), (18, 19, 20))

_DCMQI = "ct/dcmqi_liver_3slice/label_{}_seg.nrrd"

TRAINING = (
    Source("ts_abdomen_small", "CT", "ct/ts_abdomen_small/image.nii.gz", APACHE_TS,
           ("ct/ts_abdomen_small/label_total.nii.gz",), weight=6.0, groups=TS_GROUPS),
    Source("ts_abdomen_3mm", "CT", "ct/ts_abdomen_3mm/image.nii.gz", APACHE_TS,
           ("ct/ts_abdomen_3mm/label_vertebrae.nii.gz",), weight=2.0, groups=TS_GROUPS),
    Source("dcmqi_liver_3slice", "CT", "ct/dcmqi_liver_3slice/dicom", "BSD-3-Clause (QIICR/dcmqi)",
           tuple(_DCMQI.format(n) for n in ("liver", "heart", "spine")), axes="a", weight=2.0, merge=True),
    Source("rt_breast_slice", "CT", "ct/rt_breast_slice/dicom", "BSD-3-Clause (dicompyler-core)", axes="a", weight=0.3),
    Source("ct_head_phantom", "picture", "robust_nifti/ct_head_phantom_pitched.nii.gz", BSD_NIIVUE, weight=0.4),
    Source("brain1", "MR", "mr/pyradiomics_brain1/image.nrrd", BSD_PYRADIOMICS,
           ("mr/pyradiomics_brain1/label.nrrd",), axes="a", weight=0.7),
    Source("brain2", "MR", "mr/pyradiomics_brain2/image.nrrd", BSD_PYRADIOMICS,
           ("mr/pyradiomics_brain2/label.nrrd",), axes="a", weight=0.7),
    Source("breast1", "MR", "mr/pyradiomics_breast1/image.nrrd", BSD_PYRADIOMICS,
           ("mr/pyradiomics_breast1/label.nrrd",), axes="a", weight=0.5),
    Source("spine_t1", "MR", "mr/spine_errsm30/t1w.nii.gz", MIT_SCT,
           ("mr/spine_errsm30/label_cord_t1w.nii.gz",), weight=0.8),
    Source("spine_t2", "MR", "mr/spine_errsm30/t2.nii.gz", MIT_SCT,
           ("mr/spine_errsm30/label_cord_t2.nii.gz",), weight=0.8),
    Source("spine_t2s", "MR", "mr/spine_errsm30/t2s.nii.gz", MIT_SCT,
           ("mr/spine_errsm30/label_graymatter_t2s.nii.gz",), axes="a", weight=0.5),
    Source("ms_patient19", "MR", "mr/ms_patient19/flair.nii.gz", CC_BY_LJUBLJANA,
           ("mr/ms_patient19/label_lesions.nii.gz",), weight=0.8),
    Source("ms_raw_flair", "MR", "mr/ms_raw_patient20/flair.nii.gz", CC_BY_LJUBLJANA, weight=0.6),
    Source("ms_raw_t1", "MR", "mr/ms_raw_patient20/t1.nii.gz", CC_BY_LJUBLJANA, weight=0.6),
    Source("head_mr", "MR", "robust_nifti/orientation/RAS.nii.gz", BSD_NIIVUE, weight=0.3),
    Source("studyforrest_t1", "MR", "train2/mr/studyforrest_t1/image.nii.gz",
           "PDDL (datalad/example-dicom-structural)", weight=0.3),
    *(
        Source(f"open_ms_long_{patient}_{scan}", "MR", f"train2/mr/open_ms_long_{patient}/{scan}.nii.gz",
               CC_BY_LJUBLJANA, axes="a", weight=0.25)
        for patient, scan in (("01", "study1_flair"), ("01", "study2_t2w"), ("03", "study2_t1w"),
                              ("04", "study1_flair"), ("12", "study1_t2w"))
    ),
    *(
        Source(f"ts_{case}", "labels", "", CC_BY_TS, (f"train2/labels/ts_{case}.nii.gz",), repaint=4.0,
               groups=TS_GROUPS)
        for case in ("s0327", "s0328")
    ),
    Source("spl_abdomen", "labels", "", SLICER, ("train2/labels/spl_abdomen.nii.gz",), repaint=3.0),
    Source("spl_brain", "labels", "", SLICER, ("train2/labels/spl_brain.nii.gz",), repaint=0.4),
    Source("amos_0013", "labels", "", CC_BY_AMOS, ("train2/labels/amos_0013.nii.gz",), axes="a", repaint=2.0),
    *(
        Source(f"hn_{case}", "labels", "", CC_BY_HEAD_NECK, (f"train2/labels/hn_{case}.nii.gz",), repaint=0.2)
        for case in ("0522c0014", "0522c0017", "0522c0057", "0522c0161", "0522c0226", "0522c0248", "TCGA-CV-5977",
                     "TCGA-CV-5978", "TCGA-CV-7236", "TCGA-CV-7243", "TCGA-CV-7245")
    ),
)  # fmt: skip

PICTURES = "slices2d/sam_med2d_demo"
PICTURES_LICENCE = "AMOS and TotalSegmentator CC BY 4.0, repository Apache-2.0 (SAM-Med2D demo slices)"
PICTURES_WEIGHT = 0.5
PICTURES_WEIGHT_PER_LABEL = 0.1

VALIDATION = (
    Source("ts_liver_dicom", "CT", "ct/ts_liver_dicom/dicom", APACHE_TS, ("ct/ts_liver_dicom/label_total.nii.gz",)),
    Source("ts_mr_abdomen_small", "MR", "mr/ts_abdomen_small/image.nii.gz", APACHE_TS,
           ("mr/ts_abdomen_small/label_total_mr.nii.gz",)),
)  # fmt: skip

# Left out on purpose: DeepLesion and QIN-GBM copies (licence of medium confidence), MSD hippocampus (CC BY-SA), and the
# scans and label maps of train2 under the licence of a code repository alone.
