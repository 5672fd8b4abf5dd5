"""Where Linux, macOS and Windows differ, and nowhere else: no other file asks which system this is."""
