"""params.yaml as typed, frozen settings: one class a section, no defaults, no unknown keys.

A default here would be invisible to DVC, so there is none. Values are cast (`1e-04`, which DVC writes and PyYAML reads
as a string, becomes a float). Every stage checks the whole profile, not only its own section, so that what is
impossible stops the first stage that runs, naming the key and what is allowed, and not the last one after days.
"""

from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib.metadata import version
from itertools import combinations
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from stages.edge.errors import SettingError

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]


class Section(BaseModel):
    """Base of every section: frozen, strict about keys, finite numbers only."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Versions(Section):
    """Versions of the libraries that decide verdicts."""

    math_verify: str
    latex2sympy2_extended: str
    sympy: str


class Base(Section):
    """The student's starting weights."""

    kind: Literal["package", "folder", "hub"]
    """`package`: a GGUF in an installed Python package; `folder`: a transformers folder; `hub`: a hub repository."""
    name: str
    """Package, path or hub id."""
    file: str | None
    """The GGUF's file name; null unless `package`."""
    revision: str | None
    """Hub commit; null takes the newest and records it."""


class GeneratedSource(Section):
    """Procedural word problems with exact answers (`core/arithmetic.py`)."""

    kind: Literal["generated"]
    name: str
    topic: Literal["one_step", "two_steps"]
    split: Literal["train", "exam"]


class Columns(Section):
    """Names of a source's columns; null where it has none."""

    prompt: str
    gold: str | None
    id: str | None
    """The source's own id, which has to be unique there."""
    topic: str | None
    difficulty: str | None


AnyColumns = str | Columns
"""The columns of a well-known data set by its name in `core/intake.py`, or their names."""
Where = dict[str, list[JsonValue]]
"""Values that a row must have, by column; {} takes all."""


class FilesSource(Section):
    """JSONL, JSON, CSV or Parquet, here or anywhere that fsspec reaches (`s3://...`)."""

    kind: Literal["files"]
    name: str
    path: str
    """Relative to data/sources (whose changes DVC sees), absolute, or a URL. `*` stands for any name."""
    columns: AnyColumns
    where: Where
    published: date | None
    """When it became public; null where that is not known."""


class HubSplit(Section):
    """A split of a Hugging Face dataset, streamed."""

    dataset: str
    config: str | None
    split: str
    revision: str | None
    """Commit; null takes the newest on the first run and refuses another one later."""


class HubSource(HubSplit):
    """Problems from the hub."""

    kind: Literal["hub"]
    name: str
    columns: AnyColumns
    where: Where
    published: date | None


Source = Annotated[GeneratedSource | FilesSource | HubSource, Field(discriminator="kind")]


class Benchmark(Section):
    """An exam: a source and what is known of it."""

    source: Source
    published: date | None
    """When it became public."""
    num_problems: Count
    """Rows it must have."""
    answers: tuple[int, int] | None
    """Lowest and highest of its answers, where these are integers."""
    answers_digest: str | None
    """What its answers must hash to (`core/problems.py`); null where its author had no copy to look at."""


class Generator(Section):
    """Operands of the generated problems."""

    lowest: Count
    highest: Count
    num_exam_pairs: Count
    """Unordered operand pairs kept for the exams; no training problem uses them."""
    seed: int


class Deduplicate(Section):
    """What counts as the same problem; equal wording always does."""

    min_similarity: Annotated[float, Field(gt=0, le=1)] | None
    """Jaccard similarity of word triples from which problems with the same numbers and gold are one; null: never."""


class Grams(Section):
    """A rule on word n-grams."""

    size: Count
    """Words."""
    min_share: Annotated[float, Field(gt=0, le=1)]


class Embedding(Section):
    """A rule on vectors of meaning."""

    model: str
    """A text encoder: hub id, or a folder."""
    revision: str | None
    min_similarity: Annotated[float, Field(gt=0, le=1)]
    """Cosine."""


class Decontaminate(Section):
    """Rules by which a problem counts as seen in a benchmark."""

    exact: bool
    """The same words and numbers in the same order."""
    unordered: bool
    """The same words and numbers in any order."""
    ngram: Grams | None
    """It holds such a share of the question's n-grams."""
    masked: Grams | None
    """They share so much of all n-grams of either once numbers are masked: the question with other numbers."""
    embedding: Embedding | None
    keep: list[str]
    """Ids of problems that someone has looked at and that stay, whatever the rules say."""


class Collect(Section):
    """Problems and benchmarks."""

    generator: Generator
    sources: list[Source]
    benchmarks: list[Benchmark]
    deduplicate: Deduplicate
    decontaminate: Decontaminate

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        for names in ([each.name for each in self.sources], [each.source.name for each in self.benchmarks]):
            if twice := [name for name in names if names.count(name) > 1]:
                raise PydanticCustomError("names", "two sources are named {name}", {"name": twice[0]})
        return self


class Sampling(Section):
    """Every sampling field, always sent: none is left to a server's or model's defaults."""

    temperature: Annotated[float, Field(ge=0)]
    top_p: Annotated[float, Field(gt=0, le=1)]
    top_k: Annotated[int, Field(ge=-1)]
    """-1: no limit."""
    min_p: Share
    repetition_penalty: Positive
    max_tokens: Count
    """Limit of one answer, in tokens."""


class Model(Section):
    """A model that answers, and how it is run."""

    name: str
    """`base`: the weights of models/base; otherwise a hub id."""
    revision: str | None
    dtype: Literal["float32", "bfloat16", "float16", "auto"]
    quantization: str | None
    reasoning_parser: str | None
    """vLLM's parser that tells reasoning from content; null where the model does not reason apart."""
    extra_body: dict[str, JsonValue]
    """More fields of each request, such as `chat_template_kwargs`."""


class TeacherModel(Model):
    """One of the models that teach."""

    label: str
    """Its name in the traces."""


class Shot(Section):
    """An example in the teacher's chat; `topic` null shows it with every problem."""

    topic: str | None
    prompt: str
    response: str


class Adaptive(Section):
    """When a problem gets no more samples (`core/adaptive.py`); `num_samples` is then the most that it may get."""

    start: Count
    """Samples of every problem."""
    step: Count
    """More samples in each further round."""
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    """Stop when the leading answer is more frequent than the second with this probability."""
    hopeless_share: Share
    """Give up when the leading answer has this share of all samples with a probability of only 1 - confidence."""


class Teach(Section):
    """How the teachers are asked at one effort."""

    num_samples: Annotated[int, Field(ge=0)]
    """0 asks nothing: the SFT sets are published ones."""
    adaptive: Adaptive | None
    """null: every problem gets num_samples."""
    reasoning_effort: Literal["low", "medium", "high"] | None
    """Sent to models that have that switch; null elsewhere."""
    system: str | None
    suffix: str | None
    examples: list[Shot]
    sampling: Sampling
    max_tokens_when_cut_off: Count | None
    """An answer that came to the end of its budget is asked for once more with this one; null: it stays cut off."""

    @field_validator("max_tokens_when_cut_off")
    @classmethod
    def _more_than_before(cls, larger: int | None, info: ValidationInfo) -> int | None:
        sampling = info.data.get("sampling")
        if larger is not None and sampling is not None and larger <= sampling.max_tokens:
            raise PydanticCustomError("larger", "Input should be more than sampling.max_tokens")
        return larger


class Teacher(Section):
    """The models that teach, each with traces of its own; every other key is an effort, at which they are asked."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Teach]

    models: Annotated[list[TeacherModel], Field(min_length=1)]

    @property
    def by_effort(self) -> dict[str, Teach]:
        """The efforts by name, sorted."""
        return dict(sorted((self.model_extra or {}).items()))


class Vote(Section):
    """From answers to a label."""

    policy: Literal["reasonlite", "all_disagree", "posterior", "never"]
    """When the vote's answer replaces the gold: `reasonlite` when it is clear, `all_disagree` when besides no answer
    agrees with the gold, `posterior` when it is credibly clear, `never`."""
    min_share: Share
    """Of the traces that have an answer."""
    min_votes: Count
    credibility: Share
    """Of `posterior`: probability that the share is at least `min_share` in the long run."""
    pool_efforts: bool
    """Count the traces of all efforts together instead of each effort's own."""
    models: list[str] | None
    """Labels of the teachers whose traces are counted; null: all."""


class Symbolic(Section):
    """Limits of the symbolic tier, per pair of answers. A pair over them has the verdict `timeout`."""

    seconds: Positive
    memory_gib: Positive


class LlmJudge(Model):
    """A model that is asked about pairs of answers that algebra could not decide, in both orders."""

    reasoning_effort: Literal["low", "medium", "high"] | None
    sampling: Sampling
    num_overlap: Annotated[int, Field(ge=0)]
    """Pairs that algebra decided and the model is asked about too, for its agreement (Cohen's kappa)."""

    @model_validator(mode="after")
    def _is_named(self) -> Self:
        if self.name == "base":
            raise _disagreement("judge.llm.name is base, which knows no schema; name a hub id")
        return self


class Judge(Section):
    """Who has the last word on an answer."""

    llm: LlmJudge | None
    """null: a pair that algebra cannot decide stays undecided."""


class Filters(Section):
    """What a trace's text may be; null takes anything."""

    conflicting_boxes: bool
    """Drop answers whose boxes say different things."""
    max_repeated_share: Share | None
    """Share of runs of twelve words that stood there before: near 1 in a loop."""
    max_foreign_share: Share | None
    """Share of letters in a script that the problem does not use."""
    max_meta_phrases: Annotated[int, Field(ge=0)] | None
    """Talk of the prompt, the user or the model itself."""
    min_tokens: Count | None
    max_tokens: Count
    """Length limits of a whole row in the student's tokens; what is outside is dropped, never cut."""
    max_similarity: Annotated[float, Field(gt=0, le=1)] | None
    """To another trace of the same problem that stays (Jaccard, runs of five words)."""


class Balance(Section):
    """That no source, or no difficulty, has more than a share of the rows."""

    by: Literal["source", "difficulty"]
    max_share: Annotated[float, Field(gt=0, le=1)]


class Target(Section):
    """How much is wanted; null: all there is."""

    num_rows: Count | None
    num_tokens: Count | None


class Published(HubSplit):
    """Conversations from the hub."""

    messages: str
    """The column of the conversations: lists of role and content."""


class Curate(Section):
    """What becomes SFT rows."""

    published: Published | None
    """A set to take instead of the teacher's traces; `teach.*.num_samples: 0` then asks for none."""
    mixture: dict[str, Positive]
    """Weight of each effort; the largest keeps all its rows, others in proportion."""
    labels: Literal["none", "majority", "verified"]
    """`verified`: traces that are right by the label; `majority`: that give the vote's answer; `none`: any finished."""
    filters: Filters
    pass_rate: tuple[Share, Share] | None
    """Share of right answers that the teacher must have given to a problem, lowest and highest."""
    max_per_problem: Count
    """Traces of one problem and effort."""
    order: Literal["random", "shortest", "diverse"]
    """Which of them stay."""
    balance: Balance | None
    target: Target
    num_held_out_problems: Annotated[int, Field(ge=0)]
    """Problems that are set apart: train measures its loss on their rows and never learns from them."""
    seed: int


class CheckpointExam(Section):
    """How checkpoints are examined on the problems that curate set apart."""

    num_samples: Count
    pass_k: Count
    dtype: Literal["float32", "bfloat16", "float16", "auto"]
    reasoning_parser: str | None
    sampling: Sampling

    @model_validator(mode="after")
    def _enough_samples(self) -> "CheckpointExam":
        if self.pass_k > self.num_samples:
            raise ValueError(f"pass_k {self.pass_k} needs as many samples, and num_samples is {self.num_samples}")
        return self


class Train(Section):
    """One SFT stage."""

    learning_rate: Positive
    min_lr_ratio: Share
    """The cosine ends at this share of the peak."""
    warmup_ratio: Share
    epochs: Count
    batch_size: Count
    """Traces per optimiser step, over all devices."""
    max_length: Count
    """Tokens; a longer row is an error here (curate drops them)."""
    max_grad_norm: Positive
    weight_decay: Annotated[float, Field(ge=0)]
    max_positions: Count | None
    """Positions that the student is said to be for, in place of what its configuration says; null: as it says."""
    bf16: bool
    held_out_every: Count | None
    """Steps between measurements of the loss on held-out rows; there is one after the last step too. null: none."""
    keep: Literal["last", "best_loss", "best_avg", "best_pass", "average"]
    """Which weights the stage hands on: those of the last step, those with the lowest held-out loss, or of those at the
    last `num_checkpoints` measurements the ones with the best avg or pass@k in `checkpoint_exam`, or their mean."""
    num_checkpoints: Count
    checkpoint_exam: CheckpointExam | None
    seed: int

    @property
    def is_examined(self) -> bool:
        """Whether checkpoints sit an exam."""
        return self.keep in ("best_avg", "best_pass")

    @model_validator(mode="after")
    def _choosing_needs_something_to_go_by(self) -> "Train":
        if self.keep != "last" and self.held_out_every is None:
            raise ValueError(f"keep: {self.keep} is for the weights at measurements: set held_out_every")
        if self.is_examined and self.checkpoint_exam is None:
            raise ValueError(f"keep: {self.keep} goes by an exam: set checkpoint_exam")
        return self


class Prompt(Section):
    """What stands around a problem when a student is asked; it is trained in the same form."""

    system: str | None
    suffix: str | None
    """Added to the problem after a newline."""


class Protocol(Section):
    """How every student is examined."""

    num_samples: Count
    pass_k: Count
    """j of pass@j; at most num_samples."""
    dtype: Literal["float32", "bfloat16", "float16", "auto"]
    reasoning_parser: str | None
    sampling: Sampling

    @field_validator("pass_k")
    @classmethod
    def _at_most_num_samples(cls, pass_k: int, info: ValidationInfo) -> int:
        if pass_k > info.data.get("num_samples", pass_k):
            raise PydanticCustomError("pass_k", "Input should be at most num_samples, {num_samples}", info.data)
        return pass_k


class Override(Section):
    """Sampling fields in which one student's exam departs from the protocol."""

    temperature: Annotated[float, Field(ge=0)] | None
    top_p: Annotated[float, Field(gt=0, le=1)] | None
    max_tokens: Count | None


class Exam(Section):
    """How students are asked and examined."""

    prompt: Prompt
    protocol: Protocol
    overrides: dict[str, Override]
    """By student."""

    def departures(self, student: str) -> dict[str, object]:
        """The sampling fields in which a student is asked otherwise than the protocol says."""
        own = self.overrides[student].model_dump(exclude_none=True) if student in self.overrides else {}
        return {name: value for name, value in own.items() if value != getattr(self.protocol.sampling, name)}

    def max_tokens(self, student: str) -> int:
        """Tokens that the exam lets a student write."""
        own = self.overrides[student].max_tokens if student in self.overrides else None
        return own or self.protocol.sampling.max_tokens


class Baseline(Section):
    """Another model to examine."""

    name: str
    model: Model
    efforts: list[str]
    """Efforts of `teach` whose prompt it is asked with, each apart; empty: asked like a student."""


class PublishedFigures(Section):
    """What others have published for the same exams, shown beside ours."""

    source: str | None
    figures: dict[str, dict[str, tuple[float, float]]]
    """avg and pass in percent, by student and benchmark."""


class Report(Section):
    """Numbers of the result table."""

    num_resamples: Count
    seed: int
    max_repeated_share: Share
    """An answer of which more repeats itself is counted as a loop."""
    num_traces: Count
    """Traces of the teacher, and as many of the students, that the page of results holds to be read: of more than these
    it takes whole problems, by draw."""
    published: PublishedFigures


Concurrency = Count | Literal["auto"]
Role = Literal["teacher", "student", "baseline", "judge", "all"]


class Endpoint(Section):
    """A model server that is already there."""

    url: str
    """Base URL, with /v1."""
    concurrency: Concurrency | None
    """Requests in flight; null: as `runtime.concurrency`."""


class Engine(Section):
    """The vLLM engine that a stage starts when no server has its model."""

    args: list[str]
    env: dict[str, str]
    start_seconds: Positive
    tensor_parallel_size: Count
    """GPUs that one engine is spread over."""
    replicas: Count | None
    """Engines side by side; null: as many as the visible GPUs hold. On a CPU there is one."""


class Runtime(Section):
    """The machine. Read by the stages, never listed in dvc.yaml: moving to another machine reruns nothing."""

    endpoints: dict[Role, list[Endpoint]]
    """OpenAI servers that are already there, besides those in OPENAI_BASE_URL, by who is asked there."""
    concurrency: Concurrency
    """Requests in flight per endpoint; `auto` finds the number."""
    samples_per_request: Count
    """Samples of one problem in a request (`n`), for servers without a prefix cache; 1 gives each its own seed."""
    request_seconds: Positive
    """The longest that one request may take; less once it is known how fast the server is."""
    stall_seconds: Positive | None
    """A server that holds requests and makes no token for so long is left alone; null: it is waited for."""
    give_up_seconds: Positive
    """The stage stops when no server has answered for so long and all have failed."""
    max_attempts: Count
    """Calls for one answer, before it counts as failed."""
    max_failed_share: Share
    """The stage stops when more of its recent calls, or of all its queries, brought no answer."""
    engine: Engine
    pool: Literal["local", "ray"]
    """Where answers are judged and votes counted: on this machine, or on the Ray cluster at RAY_ADDRESS."""
    num_workers: Count
    num_processes: Count
    """Training processes on a host, one a GPU: 1 runs in place, more through torchrun."""
    num_hosts: Count
    """Hosts that train together; `launcher` starts the processes on all of them."""
    launcher: list[str]
    """A command that runs what stands behind it once on each host, such as [srun, --nodes=4, --ntasks-per-node=1]."""
    micro_batch_tokens: Count
    """Tokens of a forward pass of a device, at most; a step's traces are cut into as few as hold them."""
    micro_batch_size: Count | None
    """Traces of a forward pass, at most; null: as many as `micro_batch_tokens` hold."""
    padding: bool
    """Rows filled up to the longest beside them, for a model whose attention needs it; false: one after the other."""
    attention: str
    """`auto`, `documents` (ours) or one of transformers': flash_attention_2, flash_attention_3, sdpa with padding."""
    gradient_checkpointing: bool
    """Compute activations anew in the backward pass: a third more work, a fraction of the memory."""
    compile: bool
    """Fuse each layer's small operations with torch.compile."""
    deepspeed: str | None
    """A DeepSpeed JSON file."""
    save_steps: Count
    """Steps between checkpoints; the last two are kept."""

    @property
    def is_distributed(self) -> bool:
        """Whether training goes through torchrun. DeepSpeed finds its peers so even where there are none."""
        return self.num_processes > 1 or self.num_hosts > 1 or self.deepspeed is not None

    @model_validator(mode="after")
    def _training_fits_together(self) -> "Runtime":
        if self.padding and self.attention == "documents":
            raise ValueError("attention: documents is for rows without padding; with padding say auto")
        if (self.num_hosts > 1) != bool(self.launcher):
            raise ValueError(
                "num_hosts above 1 and launcher go together: what starts the processes on the other hosts?"
            )
        return self


class Profile(Section):
    """All sections of a profile."""

    base: Base
    collect: Collect
    teach: Teacher
    vote: Vote
    symbolic: Symbolic
    judge: Judge
    curate: dict[str, Curate]
    """By SFT stage, as is `train`."""
    train: dict[str, Train]
    exam: Exam
    baselines: list[Baseline]
    examine: list[str]
    """Which of `baselines` are asked, by name; `all`: every one."""
    report: Report
    runtime: Runtime

    @model_validator(mode="after")
    def _agree(self) -> Self:
        """Sections that name each other agree."""
        named = {f"curate.{stage}.mixture": list(each.mixture) for stage, each in self.curate.items()}
        named |= {f"baselines.{place}.efforts": each.efforts for place, each in enumerate(self.baselines)}
        for where, efforts in named.items():
            if strangers := sorted(set(efforts) - set(self.teach.by_effort)):
                raise _disagreement(f"{where} names {strangers}; the efforts of teach are {list(self.teach.by_effort)}")
        labels = [model.label for model in self.teach.models]
        if len(set(labels)) < len(labels):
            raise _disagreement(f"teach.models has the labels {labels}; each must have its own")
        if strangers := sorted(set(self.vote.models or []) - set(labels)):
            raise _disagreement(f"vote.models names {strangers}; the labels of teach.models are {labels}")
        asked = {name: {**effort.model_dump(), "num_samples": 0} for name, effort in self.teach.by_effort.items()}
        for one, other in combinations(asked, 2):
            if asked[one] == asked[other]:
                raise _disagreement(f"teach.{one} and teach.{other} are the same but for num_samples; make them differ")
        held_out = {stage: (each.num_held_out_problems, each.seed) for stage, each in self.curate.items()}
        if len(set(held_out.values())) > 1:
            raise _disagreement(
                f"curate: num_held_out_problems and seed differ between stages ({held_out}), so that one stage would "
                "learn what another holds out; make them the same"
            )
        for stage in self.curate.keys() & self.train.keys():
            kept, trained = self.curate[stage].filters.max_tokens, self.train[stage].max_length
            if kept > trained:
                raise _disagreement(
                    f"curate.{stage}.filters.max_tokens is {kept}, more than train.{stage}.max_length, {trained}, to "
                    "which such rows would be cut"
                )
        return self


def _disagreement(what: str) -> PydanticCustomError:
    return PydanticCustomError("disagreement", "{what}", {"what": what})


SectionT = TypeVar("SectionT")


@cache
def _document(path: Path) -> dict[str, object]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingError(f"{path}: cannot be read ({error}); run stages from the project's root") from error
    if not isinstance(document, dict):
        raise SettingError(f"{path}: must be a mapping of sections")
    return document


def profile() -> str:
    """Name of the chosen profile."""
    document = _document(Path("params.yaml"))
    name, known = document.get("profile"), document.get("profiles")
    if not isinstance(known, Mapping) or name not in known:
        raise SettingError(f"params.yaml: profile: {name!r} is not one of {sorted(known or {})}")  # type: ignore[call-overload]
    return str(name)


def load_profile(name: str) -> Profile:
    """All sections of a profile, the chosen one or not.

    Raises:
        SettingError: there is none of that name, or any key of it is unknown, mistyped or impossible.
    """
    known = _document(Path("params.yaml")).get("profiles")
    if not isinstance(known, Mapping) or name not in known:
        raise SettingError(f"params.yaml: {name!r} is not one of the profiles {sorted(known or {})}")  # type: ignore[call-overload]
    return _parse(Profile, f"profiles.{name}")


def text_with(name: str) -> str:
    """params.yaml as if `name` were the chosen profile and the only one, for what reads the file's text."""
    document = _document(Path("params.yaml"))
    profiles = document["profiles"]
    kept = {name: profiles[name]} if isinstance(profiles, Mapping) else {}
    return yaml.safe_dump({**document, "profile": name, "profiles": kept}, sort_keys=False)


def load(kind: type[SectionT], section: str) -> SectionT:
    """A section of the chosen profile, e.g. `load(Train, "train.turbo")`; `kind` may also be `list[Baseline]`.

    Raises:
        SettingError: it is missing, or any key of the profile is unknown, mistyped or impossible.
    """
    whole = f"profiles.{profile()}"
    _parse(Profile, whole)
    return _parse(kind, f"{whole}.{section}")


def exam_budget(student: str) -> int | None:
    """Tokens that the exam lets a student write: for a check, no setting of who asks. None where it sits none."""
    exam = load(Exam, "exam")
    if student not in exam.overrides:
        return None
    return exam.max_tokens(student)


def load_shared(kind: type[SectionT], section: str) -> SectionT:
    """A section that all profiles share, e.g. `load_shared(Versions, "versions")`."""
    return _parse(kind, section)


def _parse(kind: type[SectionT], key: str) -> SectionT:
    value: object = _document(Path("params.yaml"))
    for part in key.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise SettingError(f"params.yaml: {key} is missing")
        value = value[part]
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join([key, *(str(part) for part in first["loc"])])
        found = "" if isinstance(first["input"], Mapping) else f" (found {first['input']!r})"
        raise SettingError(f"params.yaml: {where}: {first['msg']}{found}") from error


def check_versions(wanted: Versions) -> None:
    """Stop when an installed library that decides verdicts is not the version that params.yaml names."""
    for name, version_wanted in wanted:
        package = name.replace("_", "-") if name == "math_verify" else name
        found = version(package)
        if found != version_wanted:
            raise SettingError(
                f"params.yaml: versions.{name} is {version_wanted}, but {found} is installed; install the lock, or "
                "change versions and let the verdicts be made anew"
            )
