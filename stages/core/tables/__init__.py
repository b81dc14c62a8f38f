"""One module a table: its columns and its key. A stage depends on those that it reads and writes."""
