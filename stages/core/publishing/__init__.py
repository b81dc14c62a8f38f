"""Cards of models and data sets."""
