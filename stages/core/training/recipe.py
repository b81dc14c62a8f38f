"""Under which version this package trains, and of which code that was checked.

A finished run is trained anew when what decides its weights has changed. That is known by `VERSION` as long as the code
of this package, and of what drives it, has the hash `CODE`, and by the hash of the code that is there otherwise.
"""

VERSION = 2
"""Raised when a change of this package changes the trained weights."""
CODE = "289f95d8ee4f10d644559f0b8d87d749a9136b125cb41b8f0e98ed9aa4868090"
"""Hash of their syntax trees without comments and docstrings, as `stages.edge.training.checking` makes it."""
REPORTING = ("recipe", "preflight", "loss_log")
"""Modules of the package that only describe a run, so that their code decides no weights."""
