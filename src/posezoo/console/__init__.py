"""What people read: lines, tables, bars, words for numbers, and the events of the work."""
