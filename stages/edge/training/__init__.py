"""Training a student with TRL: its batches, its scratch folder, what is seen of it while it runs."""
