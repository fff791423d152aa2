"""From what networks put out to poses in image pixels, in numpy."""
