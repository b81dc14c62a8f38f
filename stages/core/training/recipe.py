"""Under which version this package trains, and of which code that was checked.

A finished run is trained anew when what decides its weights has changed. That is known by `VERSION` as long as the code
of this package is the one with the hash `CODE`, and by the hash of the code that is there otherwise.
"""

VERSION = 2
"""Raised when a change of this package changes the trained weights."""
CODE = "96b9f75b5785cf6e9f509f8138f314e3512073ed1474163d07447a9b9ea7d791"
"""Hash of the package's syntax trees without comments and docstrings, as `stages.edge.training.checking` makes it."""
REPORTING = ("recipe", "preflight", "loss_log")
"""Modules of the package that only describe a run, so that their code decides no weights."""
