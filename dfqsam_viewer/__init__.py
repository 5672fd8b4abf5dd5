"""The browser viewer: Slicer's own scene and slice views on a page of this computer, driven by DFQSAMSlicerLib.

Importing it is light; `server.serve` needs the extra "browser".
"""
