"""The browser viewer: Slicer's own scene and slice views on a page of this computer, around dfqsam_scene.

Importing it is light; `server.serve` needs the extra "browser".
"""
