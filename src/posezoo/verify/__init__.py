"""Check files and IR on disk against what was declared and recorded."""
