"""README.md of a student."""

from collections.abc import Mapping
from typing import Any


def card(stage: str, init: str, identity: str, figures: Mapping[str, Any], libraries: Mapping[str, str]) -> str:
    """Markdown from the figures of a training, the versions that trained, and the folder and identity of its start."""
    versions = ", ".join(f"{name} {version}" for name, version in libraries.items()) or "unrecorded versions"
    rows = "\n".join(f"| {name.replace('_', ' ')} | {value} |" for name, value in figures.items())
    return (
        f"---\nlibrary_name: transformers\npipeline_tag: text-generation\ntags: [reasonlite-dvc, sft, math]\n---\n"
        f"# {stage}\n\nFine-tuned from `{init}` (identity `{identity[:12]}`) by the pipeline's stage "
        f"`train@{stage}` on reasoning traces whose answers were judged. Its settings are `train.{stage}` in "
        f"params.yaml; `metrics/eval.json` has its scores.\n\n| | |\n|---|---|\n{rows}\n\nTrained with {versions}.\n"
    )
