"""Sample data that is there without a network: the CT slab that comes with the extension."""

from __future__ import annotations

from typing import Any

SAMPLE_NAME = "DFQSAMAbdomenCT"
_NODE_NAME = "CT abdomen (3 mm)"


def register_sample_data(sample_data_logic: Any) -> None:
    """Offer the slab in Slicer's module Sample Data; sample_data_logic: its class SampleDataLogic."""
    from dfqsam_core.resources import DEMO_VOLUME, resource_path

    path = resource_path(DEMO_VOLUME)
    sample_data_logic.registerCustomSampleDataSource(
        category="DFQSAMSlicer",
        sampleName=SAMPLE_NAME,
        thumbnailFileName=None,
        # An address of a file on this computer, for scripts; the button calls the function below.
        uris=path.as_uri(),
        fileNames=path.name,
        nodeNames=_NODE_NAME,
        customDownloader=lambda source: load_sample(),
    )


def load_sample() -> Any:
    """Load the slab into the scene of Slicer and return its volume node."""
    import slicer

    from dfqsam_core.resources import DEMO_VOLUME, resource_path

    logic = slicer.modules.volumes.logic()
    return logic.AddArchetypeVolume(str(resource_path(DEMO_VOLUME)), _NODE_NAME)
