"""A command line of ours that tells what memory it held."""

#: For ``python -c``, followed by the words of the command line: its last word on the standard error is what it
#: held at most, in KiB. What getrusage says would count the process that started it, too.
WATCHED = """
import sys
from pathlib import Path
from posezoo.__main__ import main
code = main()
print(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0], file=sys.stderr)
sys.exit(code)
"""
