"""What SAM-Med2D is: architecture, layers, shapes, costs, the windows of attention. No torch."""
