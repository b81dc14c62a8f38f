"""ReasonLite as a reproducible pipeline: verbs here, what they compute in `core`, what touches the world in `edge`."""
