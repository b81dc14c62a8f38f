"""Model servers: started here or named by a URL, one or many."""
