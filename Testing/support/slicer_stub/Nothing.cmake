# Slicer writes its package description here.
