"""The card of a published checkpoint, and its results as the hub wants them, from the pipeline's own numbers."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from stages.core.publishing import card
from stages.core.publishing.markdown import escaped, fenced, table
from stages.core.scoring.results import cut_rule
from stages.core.scoring.scoring import average_key, spoken

Numbers = Mapping[str, float]


class ExamResults(NamedTuple):
    """How students were examined, and their results."""

    num_samples: int
    is_open: bool
    """Whether more samples were drawn until the interval was narrow."""
    pass_k: int
    system: str | None
    suffix: str | None
    sampling: Mapping[str, object]
    """Of the published student: the protocol's, with its overrides."""
    numbers: Mapping[str, Mapping[str, Numbers]]
    """student -> benchmark -> `scoring.metrics`."""
    means: Mapping[str, Numbers]
    """student -> value, ci_low and ci_high of the mean over the benchmarks."""
    answer_before_cut: bool = True
    """Whether an answer before the cut of a text that was cut off counts; before that was a setting, it did."""

    @property
    def average(self) -> str:
        """The key of the average in `numbers`."""
        return average_key(self.num_samples, self.is_open)


class TrainingStage(NamedTuple):
    """One stage of SFT on the way to the checkpoint: its settings, what it counted, and its set (`account.metrics`)."""

    name: str
    settings: Mapping[str, object]
    figures: Mapping[str, object]
    sft: Mapping[str, Any]


class Teaching(NamedTuple):
    """How a teacher was asked at one effort."""

    effort: str
    model: str
    revision: str | None
    settings: Mapping[str, Any]
    servers: Mapping[str, int] = {}
    """Answers of each server at that effort; empty where that was not recorded."""


class Provenance(NamedTuple):
    """Where the numbers come from: commit, weights, run and hashes."""

    commit: str
    is_dirty: bool
    identity: str
    """SHA-256 of the weights, tokenizer, template and configuration."""
    run: str | None
    """MLflow's id of the run that trained it."""
    hashes: Mapping[str, str]
    """md5 by path, from dvc.lock."""


class Checkpoint(NamedTuple):
    """The contents of a model card."""

    title: str
    student: str
    base: str
    stages: Sequence[TrainingStage]
    """From the base to the checkpoint."""
    teaching: Sequence[Teaching]
    sources: Mapping[str, str]
    """What each source of problems is, by its name."""
    exam: ExamResults
    record: Provenance


class Result(NamedTuple):
    """One number of one benchmark."""

    benchmark: str
    metric: str
    percent: float
    notes: str


def results(exam: ExamResults, student: str) -> list[Result]:
    """The student's avg@k, pass@j and maj@k, benchmark by benchmark; without those that were not scored."""
    results = []
    names = {key: spoken(key) for key in (exam.average, f"pass_at_{exam.pass_k}", f"maj_at_{exam.num_samples}")}
    for benchmark, numbers in exam.numbers[student].items():
        for key, metric in names.items():
            if key in numbers:
                interval = f"95% interval {_interval(numbers)}; " if key.startswith("avg") else ""
                is_of_all = exam.is_open and not key.startswith("maj")
                drawn = f" x {numbers['samples_drawn']:.0f} samples" if is_of_all else ""
                notes = f"{metric}, {interval}{numbers['num_problems']:.0f} problems{drawn}; {_sampled(exam.sampling)}"
                results.append(Result(benchmark, metric, percent(numbers[key]), notes))
    return results


def percent(share: float) -> float:
    """A share in percent, to two digits."""
    return round(100 * share, 2)


def body(model: Checkpoint) -> str:
    """README.md below its front matter."""
    parts = [
        [f"# {escaped(model.title)}", "", _introduction(model), ""],
        ["## Exams", "", *_own(model), "", *_students(model.exam), "", *_protocol(model.exam), ""],
        ["## Training", "", *_training(model.stages), ""],
        ["## Training data", "", *_sets(model), ""],
        ["## Record", "", *_record(model.record), ""],
    ]
    return "\n".join(line for part in parts for line in part)


def _introduction(model: Checkpoint) -> str:
    order = " and then ".join(escaped(stage.name) for stage in model.stages)
    teachers = " and ".join(dict.fromkeys(escaped(each.model) for each in model.teaching))
    traces = f"judged reasoning traces of {teachers}" if teachers else "published reasoning traces"
    return (
        f"{escaped(model.base)}, fine-tuned on {traces} by ReasonLite-DVC: {order}. It loads with `transformers` "
        "(`AutoModelForCausalLM`, `AutoTokenizer`), and its chat template is that of its training and its exams. It "
        "was made and measured for mathematics with one final answer, and for nothing else. The licences of the base, "
        "of the teacher and of the problems apply."
    )


def _own(model: Checkpoint) -> list[str]:
    exam, k, j = model.exam, model.exam.num_samples, model.exam.pass_k
    heads = ["benchmark", "problems", spoken(exam.average), "95% interval", f"pass@{j}", f"maj@{k}"]
    heads += ["cut off", "no answer", *(["samples of each"] if exam.is_open else [])]
    shares = (f"pass_at_{j}", f"maj_at_{k}", "truncated_share", "no_answer_share")
    rows = []
    for benchmark, numbers in exam.numbers[model.student].items():
        average = _share(numbers, exam.average)
        interval = _interval(numbers) if exam.average in numbers else "-"
        cells = [average, interval, *(_share(numbers, key) for key in shares)]
        cells += [f"{numbers['samples_drawn']:.0f}"] if exam.is_open else []
        rows.append([escaped(benchmark), f"{numbers['num_problems']:.0f}", *cells])
    return [*table(heads, rows), "", "In percent; the interval is one over problems (Bayesian bootstrap)."]


def _students(exam: ExamResults) -> list[str]:
    """Every student and baseline of the same exam."""
    key = exam.average
    benchmarks = list(dict.fromkeys(name for each in exam.numbers.values() for name in each))
    rows = [
        [escaped(student), *(_averaged(numbers.get(name, {}), key) for name in benchmarks), _mean(exam, student)]
        for student, numbers in exam.numbers.items()
    ]
    heads = [spoken(exam.average), *(escaped(name) for name in benchmarks), "mean"]
    return ["On the same problems:", "", *table(heads, rows)]


def _averaged(numbers: Numbers, key: str) -> str:
    return f"{_share(numbers, key)} {_interval(numbers)}" if key in numbers else "-"


def _mean(exam: ExamResults, student: str) -> str:
    return _averaged(exam.means[student], "value") if student in exam.means else "-"


def _protocol(exam: ExamResults) -> list[str]:
    more = ", or more often until the interval is narrow or more would not help" if exam.is_open else ""
    lines = [
        f"Each problem is asked {exam.num_samples} times{more}, each time with another seed, and with "
        f"{escaped(_sampled(exam.sampling))}. {cut_rule(exam.answer_before_cut)}."
    ]
    for what, text in (("The system message:", exam.system), ("On a line of its own behind the problem:", exam.suffix)):
        if text:
            lines += ["", what, "", fenced(text)]
    return lines


def _sampled(sampling: Mapping[str, object]) -> str:
    return ", ".join(f"{key} {value}" for key, value in sampling.items())


def _training(stages: Sequence[TrainingStage]) -> list[str]:
    """Settings, and below them what was counted."""
    each = [{**stage.settings, **stage.figures} for stage in stages]
    keys = list(dict.fromkeys(key for column in each for key in column))
    rows = [[escaped(key.replace("_", " ")), *(_value(column.get(key)) for column in each)] for key in keys]
    return table(["", *(escaped(stage.name) for stage in stages)], rows)


def _value(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(_value, value))
    return "-" if value is None else escaped(f"{value:.4g}" if isinstance(value, float) else value)


def _sets(model: Checkpoint) -> list[str]:
    sets = [card.SftSet(stage.name, stage.sft) for stage in model.stages]
    by_effort = {each.effort: each.servers for each in model.teaching}
    heads = ["asked", "model", "samples", "reasoning effort", "examples", "sampling"]
    rows = [
        [
            escaped(each.effort),
            escaped(each.model) + (f" at {escaped(each.revision)}" if each.revision else ""),
            _value(each.settings["num_samples"]),
            _value(each.settings["reasoning_effort"]),
            _value(len(each.settings["examples"])),
            escaped(_sampled(each.settings["sampling"])),
        ]
        for each in model.teaching
    ]
    answered = [line for effort, servers in by_effort.items() for line in card.servers(effort, servers)]
    asked = [*table(heads, rows), "", *answered] if rows else []
    problems = [f"- problems of {escaped(name)}: {what}" for name, what in model.sources.items()]
    return [*card.sizes(sets), "", *asked, *problems, "", "From traces to rows:", "", *card.funnel(sets)]


def _record(record: Provenance) -> list[str]:
    changed = ", with changes that are not committed" if record.is_dirty else ""
    lines = [
        f"- git: {escaped(record.commit)}{changed}",
        f"- weights, tokenizer and template: {escaped(record.identity)} (SHA-256)",
        *([f"- MLflow run: {escaped(record.run)}"] if record.run else []),
    ]
    rows = [[escaped(path), escaped(md5)] for path, md5 in sorted(record.hashes.items())]
    return [*lines, "", *table(["in dvc.lock", "md5"], rows)]


def _share(numbers: Numbers, key: str) -> str:
    return f"{100 * numbers[key]:.1f}" if key in numbers else "-"


def _interval(numbers: Numbers) -> str:
    return f"[{_share(numbers, 'ci_low')}, {_share(numbers, 'ci_high')}]"
