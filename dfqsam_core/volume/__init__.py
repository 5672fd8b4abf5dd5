"""Space, slices, prompts and edits: everything between a volume's file and the model's slice, and back.

Importing it is light: readers of file formats and the model's engine load when they are first used.
"""

from .batch.run import run_batch
from .batch.table import BatchRow, read_table
from .extent import Extent
from .files.label_maps import write_label_map
from .files.prompt_reader import read_prompts
from .files.reading import read_volume
from .geometry import VolumeGeometry
from .prompts import BoxPrompt, PointPrompt, SegmentPrompts
from .roi import roi_boxes
from .segment import SegmentationResult, segment_volume
from .session.propagation import (
    PropagationConfig,
    PropagationPlan,
    PropagationResult,
    Stop,
    ThoroughCost,
    plan_propagation,
    propagate,
)
from .session.session import SliceEdit, VolumeSession
from .session.session_file import restore_session, save_session
from .slices import SliceFrame, SliceKey
from .strokes import LassoPrompt, ScribblePrompt
from .volume import Volume
from .window import WINDOW_PRESETS, WindowLevel, auto_window, choose_window

__all__ = [
    "WINDOW_PRESETS",
    "BatchRow",
    "BoxPrompt",
    "Extent",
    "LassoPrompt",
    "PointPrompt",
    "PropagationConfig",
    "PropagationPlan",
    "PropagationResult",
    "ScribblePrompt",
    "SegmentPrompts",
    "SegmentationResult",
    "SliceEdit",
    "SliceFrame",
    "SliceKey",
    "Stop",
    "ThoroughCost",
    "Volume",
    "VolumeGeometry",
    "VolumeSession",
    "WindowLevel",
    "auto_window",
    "choose_window",
    "plan_propagation",
    "propagate",
    "read_prompts",
    "read_table",
    "read_volume",
    "restore_session",
    "roi_boxes",
    "run_batch",
    "save_session",
    "segment_volume",
    "write_label_map",
]
