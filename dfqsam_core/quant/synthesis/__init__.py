"""Images and labels drawn from the network alone."""
