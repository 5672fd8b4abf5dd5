"""From a click to a segment: what is chosen, who has the mouse, what happens, what is shown."""
