"""params.yaml as typed, frozen settings: one class a section, no defaults, no unknown keys.

A default here would be invisible to DVC, so there is none. Values are cast (`1e-04`, which DVC writes and PyYAML reads
as a string, becomes a float). Every stage checks the whole profile, not only its own section, so that what is
impossible stops the first stage that runs, naming the key and what is allowed, and not the last one after days.
"""

from stages.edge.params.curation import Balance, Curate, Filters, PublishedSet, Target
from stages.edge.params.exams import (
    Asked,
    Baseline,
    Cut,
    Exam,
    ExamRules,
    Override,
    Prompt,
    Protocol,
    PublishedFigures,
    Report,
    Until,
)
from stages.edge.params.graph import Graph, Pool, SftStage, TaughtBy
from stages.edge.params.judging import Judge, LlmJudge, SymbolicLimits, Versions, Vote
from stages.edge.params.machine import Budget, Concurrency, Endpoint, Engine, Price, Role, Runtime
from stages.edge.params.models import Base, Model, Sampling
from stages.edge.params.problems import (
    AnyColumns,
    Benchmark,
    Collect,
    Columns,
    Decontaminate,
    Deduplicate,
    Embedding,
    FilesSource,
    GeneratedSource,
    Generator,
    Grams,
    HubSource,
    HubSplit,
    Source,
    Where,
)
from stages.edge.params.reading import (
    check_versions,
    content,
    document,
    exam_budgets,
    fingerprints,
    graph,
    load,
    load_part,
    load_profile,
    load_shared,
    max_length,
    profile,
    text_with,
)
from stages.edge.params.section import Dtype, Section
from stages.edge.params.teaching import Adaptive, Shot, Teach, Teacher, TeacherModel, TeacherPrompt
from stages.edge.params.training import CheckpointExam, Choice, Train, Training
from stages.edge.params.whole import Profile

__all__ = [
    "Adaptive", "AnyColumns", "Asked", "Balance", "Base", "Baseline", "Benchmark", "Budget", "CheckpointExam", "Choice",
    "Collect", "Columns", "Concurrency", "Curate", "Cut", "Decontaminate", "Deduplicate", "Dtype", "Embedding",
    "Endpoint", "Engine", "Exam", "ExamRules", "FilesSource", "Filters", "GeneratedSource", "Generator", "Grams",
    "Graph", "HubSource", "HubSplit", "Judge", "LlmJudge", "Model", "Override", "Pool", "Price", "Profile", "Prompt",
    "Protocol", "PublishedFigures", "PublishedSet", "Report", "Role", "Runtime", "Sampling", "Section", "SftStage",
    "Shot", "Source", "SymbolicLimits", "Target", "TaughtBy", "Teach", "Teacher", "TeacherModel", "TeacherPrompt",
    "Train", "Training", "Until", "Versions", "Vote", "Where", "check_versions", "content", "document", "exam_budgets",
    "fingerprints", "graph", "load", "load_part", "load_profile", "load_shared", "max_length", "profile", "text_with",
]  # fmt: skip
