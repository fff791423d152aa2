"""The command line: flags in, events out, exit codes."""
