"""Effects: files, servers, processes, tracking. Changing this never changes a result."""
