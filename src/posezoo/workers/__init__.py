"""Work that runs beside the main thread: threads, processes and pools of them."""
