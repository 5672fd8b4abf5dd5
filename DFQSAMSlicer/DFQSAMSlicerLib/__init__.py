"""What the module DFQSAMSlicer does: scene, worker and controller. Importing it is light and needs no engine."""
