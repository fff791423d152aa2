"""Work beside the main thread: threads, Python tasks in child processes, and foreign programs."""
