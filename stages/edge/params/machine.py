"""The machine that a profile runs on."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, field_validator, model_validator

from stages.edge.params import cores
from stages.edge.params.section import Count, NotNegative, Positive, Section, Share

Concurrency = Count | Literal["auto"]
Cores = Annotated[Count, BeforeValidator(lambda value: len(cores.usable()) if value == "auto" else value)]
"""A number, or `auto`: the cores that this process may use, up to `cores.MOST`."""
THREADS = "OMP_NUM_THREADS"
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
    """Its environment. Of OMP_NUM_THREADS `auto` stands for all usable cores: with another number of threads sums are
    rounded otherwise, and a sampled text can differ."""
    start_seconds: Positive
    tensor_parallel_size: Count
    """GPUs that one engine is spread over."""
    replicas: Count | None
    """Engines side by side; null: as many as the visible GPUs hold. On a CPU there is one."""

    @field_validator("env")
    @classmethod
    def _threads(cls, env: dict[str, str]) -> dict[str, str]:
        return env | {THREADS: str(len(cores.usable()))} if env.get(THREADS) == "auto" else env


class Price(Section):
    """What a million tokens cost, in any currency."""

    prompt: NotNegative
    completion: NotNegative


class Budget(Section):
    """What one stage may spend on answers. The answers that it finds stored count, each once, so going on is no new
    budget; with `n` samples in a request the prompt counts for each of them."""

    max_total_tokens: Count | None
    """Tokens of prompts and completions."""
    max_cost: Positive | None
    """Money, at this price."""
    price: Price | None

    @model_validator(mode="after")
    def _is_a_limit(self) -> "Budget":
        if self.max_total_tokens is None and self.max_cost is None:
            raise ValueError("a budget needs max_total_tokens or max_cost; without a limit write budget: null")
        if self.max_cost is not None and (self.price is None or not self.price.prompt + self.price.completion):
            raise ValueError("max_cost needs a price of a million tokens: {prompt: ..., completion: ...}")
        return self


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
    budget: Budget | None
    """When a stage stops asking, in order; null: when all is asked."""
    engine: Engine
    pool: Literal["local", "ray"]
    """Where answers are judged and votes counted: on this machine, or on the Ray cluster at RAY_ADDRESS."""
    num_workers: Cores
    """Processes that judge, count and filter; `auto`: one a usable core."""
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
    """`auto`, `documents` (ours) or one of transformers': flash_attention_2, flash_attention_3; padded: sdpa, eager."""
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
