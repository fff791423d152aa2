"""Files on disk against what was declared and recorded of them."""
