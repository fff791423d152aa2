"""Work outside the main thread: threads, Python tasks in child processes, and external programs."""
