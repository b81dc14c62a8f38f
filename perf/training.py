"""Training of a student: whole traces without padding against the original recipe's padded batches of 8.

python perf/training.py            # Qwen3-0.6B's architecture, random weights, traces of 4k to 32k tokens, bf16, a GPU
python perf/training.py            # without a GPU: a small model in float32, traces of 32 to 768 tokens
python perf/training.py --quick    # that model on a GPU or a CPU, three steps of traces of 32 to 256 tokens

Both train the same traces in the same steps with the trainer of the stage. `original` is what ReasonLite's
configuration says: padded batches of 8, flash attention 2 (which skips the padding), activation checkpointing and,
where it is installed, Liger's fused layers. MFU is model FLOPs a second (6 per matrix parameter and token, causal
attention counted by half, nothing for recomputation) over what one large matrix product of the same type reaches in
this run. Rates are of the steps after the first, which compiles.
"""

import argparse
import gc
import importlib.util
import json
import math
import random
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from transformers import PreTrainedTokenizerFast, PrinterCallback, Qwen3Config, Qwen3ForCausalLM, TrainerCallback

from stages.core.training import attention, batching, student, trainer

SEED = 42
TRACES_PER_STEP = 8
ON_GPU = torch.cuda.is_available()
PROMPT_TOKENS = 16


class Scale(NamedTuple):
    """What is trained. Lengths are log-uniform between the two."""

    model: dict[str, int]
    shortest: int
    longest: int
    num_steps: int


SMALL = Scale(
    dict(vocab_size=2_000, hidden_size=128, intermediate_size=384, num_hidden_layers=4, num_attention_heads=4,
         num_key_value_heads=2, head_dim=32, max_position_embeddings=4_096),
    shortest=32, longest=768, num_steps=12,
)  # fmt: skip
QUICK = SMALL._replace(longest=256, num_steps=3)
QWEN3_06B = Scale(
    dict(vocab_size=151_936, hidden_size=1_024, intermediate_size=3_072, num_hidden_layers=28, num_attention_heads=16,
         num_key_value_heads=8, head_dim=128, max_position_embeddings=40_960),
    shortest=4_096, longest=32_768, num_steps=4,
)  # fmt: skip


class Way(NamedTuple):
    """How it is trained."""

    padded: bool
    attention: str
    checkpointing: bool
    compiled: bool
    liger: bool = False


class Random:
    """Traces of random tokens with given lengths."""

    def __init__(self, lengths: Sequence[int], vocabulary: int) -> None:
        self.lengths = np.asarray(lengths)
        draw = np.random.default_rng(SEED)
        # Half of all tokens are one of a few, so that there is something to learn.
        self._tokens = [
            np.where(draw.random(n) < 0.5, draw.integers(3, 20, n), draw.integers(3, vocabulary, n)) for n in lengths
        ]

    def row(self, index: int) -> tuple[Any, int]:
        """Tokens and the length of the prompt."""
        return self._tokens[index], PROMPT_TOKENS


def lengths(scale: Scale, num: int) -> list[int]:
    """Log-uniform lengths; the longest of all is among them."""
    draw = random.Random(SEED)
    low, high = math.log(scale.shortest), math.log(scale.longest)
    return [scale.longest, *(int(math.exp(draw.uniform(low, high))) for _ in range(num - 1))]


def tokenizer() -> PreTrainedTokenizerFast:
    """The Trainer asks for one; it reads the special tokens alone."""
    from tokenizers import Tokenizer, models

    special = ["<pad>", "<s>", "</s>"]
    table = Tokenizer(models.WordLevel({name: place for place, name in enumerate(special)}, unk_token="<pad>"))
    return PreTrainedTokenizerFast(tokenizer_object=table, pad_token="<pad>", bos_token="<s>", eos_token="</s>")


def unpadded(
    module: Any, query: Any, key: Any, value: Any, attention_mask: Any, scaling: float | None = None, **_: Any
) -> tuple[Any, None]:
    """Flash attention for padded rows, as transformers' flash_attention_2 has it: without the padding, and back."""
    if attention_mask is None:
        attention_mask = torch.ones(query.shape[0], query.shape[2], device=query.device)
    kept = attention_mask.bool()
    bounds = torch.nn.functional.pad(kept.sum(1).cumsum(0), (1, 0)).tolist()
    query, key, value = (
        each.to(value.dtype).transpose(1, 2)[kept].transpose(0, 1)[None] for each in (query, key, value)
    )
    kernel = attention.varlen if ON_GPU else attention.one_by_one
    found = kernel(query, key, value, bounds, query.shape[-1] ** -0.5 if scaling is None else scaling)
    padded = found.new_zeros(*kept.shape, *found.shape[2:])
    padded[kept] = found[0]
    return padded, None


def register_unpadded() -> str:
    """Tell transformers of `unpadded`."""
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register("unpadded", torch.compiler.disable(unpadded))
    AttentionMaskInterface.register("unpadded", lambda *_, attention_mask=None, **__: attention_mask)
    return "unpadded"


class Clock(TrainerCallback):
    """Seconds and loss of each step."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.losses: list[float] = []
        self._started = 0.0

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        """Start the clock."""
        self._started = now()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Stop it."""
        self.seconds.append(now() - self._started)

    def on_log(self, *_: Any, logs: Any = None, **__: Any) -> None:
        """Keep the loss."""
        if logs and "loss" in logs:
            self.losses.append(logs["loss"])


def now() -> float:
    """Seconds, when the device has done all it was given."""
    if ON_GPU:
        torch.cuda.synchronize()
    return time.perf_counter()


class Result(NamedTuple):
    """Rates are those of the steps after the first."""

    tokens_per_second: float
    flops_per_second: float
    losses: list[float]
    peak_gib: float
    seconds: list[float]


def build(scale: Scale, implementation: str) -> Qwen3ForCausalLM:
    """The model with random weights, the same each time."""
    torch.manual_seed(SEED)
    config = Qwen3Config(**scale.model, tie_word_embeddings=True, rope_theta=1e6, dtype="float32")
    config._attn_implementation = implementation
    return Qwen3ForCausalLM(config)


def run(scale: Scale, way: Way, tokens: list[int], budget: int, profile: bool = False) -> Result:
    """Train `scale.num_steps` steps on one epoch of traces of these lengths."""
    model = build(scale, way.attention)
    model.to("cuda" if ON_GPU else "cpu")
    dimensions = trainer.shape(model)
    if way.liger:
        from liger_kernel.transformers import apply_liger_kernel_to_qwen3

        apply_liger_kernel_to_qwen3(model=model, fused_linear_cross_entropy=False, cross_entropy=False)
    traces = Random(tokens, scale.model["vocab_size"])
    plan = batching.Plan(len(tokens), TRACES_PER_STEP, 1, SEED)
    limit = batching.Limit(TRACES_PER_STEP * max(tokens) if way.padded else budget, None, way.padded)
    steps = trainer.Steps(traces, plan, limit, 0, 1, pad=0)
    clock = Clock()
    if ON_GPU:
        torch.cuda.reset_peak_memory_stats()
    with tempfile.TemporaryDirectory() as folder:
        settings = trainer.SFTConfig(
            output_dir=folder, per_device_train_batch_size=1, num_train_epochs=1, learning_rate=3e-4, bf16=ON_GPU,
            gradient_checkpointing=way.checkpointing, gradient_checkpointing_kwargs={"use_reentrant": False},
            logging_steps=1, save_strategy="no", report_to=[], disable_tqdm=True, use_cpu=not ON_GPU, max_length=None,
            dataset_kwargs={"skip_prepare_dataset": True}, max_grad_norm=0.3, seed=SEED, lr_scheduler_type="constant",
        )  # fmt: skip
        if ON_GPU:
            student.in_bfloat16(model)
        if way.compiled:
            student.compile_layers(model)
        learner = trainer.Trainer(model, steps, settings, processing_class=tokenizer(), callbacks=[clock])
        learner.remove_callback(PrinterCallback)
        if profile:
            learner.add_callback(Profile())
        learner.train()
    peak = (
        torch.cuda.max_memory_allocated() / 2**30
        if ON_GPU
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    )
    timed = range(min(1, len(clock.seconds) - 1), len(clock.seconds))
    by_step = [[tokens[row] for row in plan.rows(step)] for step in range(plan.num_steps)]
    seconds = sum(clock.seconds[step] for step in timed)
    return Result(
        sum(sum(by_step[step]) for step in timed) / seconds,
        sum(batching.training_flops(dimensions, by_step[step]) for step in timed) / seconds,
        clock.losses,
        peak,
        clock.seconds,
    )


KINDS = {
    "attention": ("flash", "fmha", "sdpa", "cudnn"),
    "matrix products": ("gemm", "nvjet", "cutlass", "cublas"),
    "output head": ("_forward_kernel", "_backward_kernel"),
    "optimiser": ("adam", "multi_tensor", "foreach"),
}


class Profile(TrainerCallback):
    """Prints where the device's time of the second step goes, by kind of kernel."""

    def on_step_begin(self, _args: Any, state: Any, *_: Any, **__: Any) -> None:
        """Begin with the second step."""
        if state.global_step == 1:
            self._started = now()
            self._recording = torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA])
            self._recording.start()

    def on_step_end(self, _args: Any, state: Any, *_: Any, **__: Any) -> None:
        """Print after it."""
        if state.global_step != 2:
            return
        wall = now() - self._started
        self._recording.stop()
        sums: dict[str, float] = {}
        for event in self._recording.key_averages():
            seconds, name = event.self_device_time_total / 1e6, event.key.lower()
            kind = next((kind for kind, parts in KINDS.items() if any(part in name for part in parts)), "others")
            sums[kind] = sums.get(kind, 0.0) + seconds
            if seconds > 0.01 * wall:
                print(f"      {100 * seconds / wall:5.1f} % {event.count:6d} x {event.key[:100]}")
        for kind, seconds in sorted(sums.items(), key=lambda item: -item[1]):
            print(f"    {kind:16}{100 * seconds / wall:5.1f} %")
        print(f"    {'idle':16}{100 * (1 - sum(sums.values()) / wall):5.1f} % of {wall:.2f} s", flush=True)


def ceiling() -> float:
    """FLOPs a second of the best of some large matrix products."""
    size, repeats = (8_192, 20) if ON_GPU else (1_024, 10)
    kind = torch.bfloat16 if ON_GPU else torch.float32
    left, right = (torch.randn(size, size, device="cuda" if ON_GPU else "cpu", dtype=kind) for _ in range(2))
    best = math.inf
    for _ in range(repeats):
        started = now()
        left @ right
        best = min(best, now() - started)
    return 2 * size**3 / best


def kernels(scale: Scale) -> None:
    """Forward and backward of the attention kernels at several lengths of trace, 32k tokens in all."""
    heads, groups, width = (scale.model[name] for name in ("num_attention_heads", "num_key_value_heads", "head_dim"))
    for length in (1_024, 4_096, 32_768):
        bounds = list(range(0, 32_768 + 1, length))
        flops = 3.5 * 4 * heads * width * (len(bounds) - 1) * length**2 / 2
        query, key, value = (
            torch.randn(1, n, 32_768, width, device="cuda", dtype=torch.bfloat16, requires_grad=True)
            for n in (heads, groups, groups)
        )
        rates = []
        out = torch.randn(1, 32_768, heads, width, device="cuda", dtype=torch.bfloat16)
        for kernel in (attention.one_by_one, attention.varlen):
            best = math.inf
            for _ in range(4):
                started = now()
                kernel(query, key, value, bounds, width**-0.5).backward(out)
                best = min(best, now() - started)
            rates.append(f"{kernel.__name__} {flops / best / 1e12:.0f}")
        print(f"attention, traces of {length}: TFLOP/s {', '.join(rates)}", flush=True)


def agreement() -> float:
    """The difference of a small model's losses: float32 on this device, without padding, and on a CPU with it."""
    tokens, losses = lengths(SMALL, TRACES_PER_STEP), []
    plan = batching.Plan(len(tokens), TRACES_PER_STEP, 1, SEED)
    for padded, device in ((True, "cpu"), (False, "cuda" if ON_GPU else "cpu")):
        model = build(SMALL, "sdpa" if padded else attention.register()).to(device)
        limit = batching.Limit(TRACES_PER_STEP * max(tokens), None, padded)
        ((batch,),) = [trainer.Steps(Random(tokens, SMALL.model["vocab_size"]), plan, limit, 0, 1, pad=0)[0]]
        moved = {
            name: each.to(device) if torch.is_tensor(each) and not name.startswith("cu_") else each
            for name, each in batch.items()
        }
        losses.append(model(**moved).loss.item())
    return abs(float(losses[0]) - float(losses[1]))


def warm(scale: Scale, tokens: list[int]) -> None:
    """Let cuDNN plan for every shape that will come, as it has in a long run after its first steps."""
    heads, groups, width = (scale.model[name] for name in ("num_attention_heads", "num_key_value_heads", "head_dim"))
    for length in sorted({-(-each // attention.ROUND) * attention.ROUND for each in tokens}):
        query, key, value = (
            torch.randn(1, num, length, width, device="cuda", dtype=torch.bfloat16, requires_grad=True)
            for num in (heads, groups, groups)
        )
        attention.one_by_one(query, key, value, [0, length], width**-0.5).sum().backward()


def main() -> None:
    """Run both and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--steps", type=int, help="of 8 traces each")
    parser.add_argument("--budget", type=int, help="tokens of a forward pass of ours")
    parser.add_argument("--eager", action="store_true", help="ours without compiled layers too")
    parser.add_argument("--profile", action="store_true", help="where the time of ours goes on a GPU")
    args = parser.parse_args()
    is_large = ON_GPU and not args.quick
    scale = QWEN3_06B if is_large else QUICK if args.quick else SMALL
    scale = scale._replace(num_steps=args.steps or scale.num_steps)
    budget = args.budget or (32_768 if is_large else 1_024)
    device = torch.cuda.get_device_name() if ON_GPU else "cpu"
    tokens = lengths(scale, TRACES_PER_STEP * scale.num_steps)
    top = ceiling()
    print(f"{device}, torch {torch.__version__}; matrix product: {top / 1e12:.2f} TFLOP/s", flush=True)
    print(f"a small float32 model, without padding here, padded on a CPU: losses differ by {agreement():.1e}")
    ways = {"ours, eager": Way(False, attention.register(), False, False)} if args.eager else {}
    ways["ours"] = Way(False, attention.register(), False, ON_GPU)
    if is_large:
        kernels(scale)
        warm(scale, tokens)
    found = {name: shown(name, run(scale, way, tokens, budget), top) for name, way in ways.items()}
    ours = full = found["ours"]
    if is_large:
        longest = [scale.longest] * TRACES_PER_STEP * 2
        full = shown("ours, 32k each", run(scale, ways["ours"], longest, budget), top)
        if args.profile:
            for each in (tokens[: 2 * TRACES_PER_STEP], longest):
                run(scale, ways["ours"], each, budget, profile=True)
    # Last: Liger changes the model's classes.
    way = Way(True, register_unpadded(), True, False, ON_GPU and has_liger())
    original = shown("original", run(scale, way, tokens, budget), top)
    result = {
        "tokens_per_second": round(ours.tokens_per_second),
        "mfu": round(full.flops_per_second / top, 3),
        "speedup_over_original_settings": round(ours.tokens_per_second / original.tokens_per_second, 2),
        "loss_difference": max(abs(a - b) for a, b in zip(ours.losses, original.losses, strict=True)),
        "peak_gib": round(max(ours.peak_gib, full.peak_gib), 2),
        "device": device,
    }
    print(json.dumps(result))


def has_liger() -> bool:
    """Whether Liger's kernels are installed."""
    return importlib.util.find_spec("liger_kernel") is not None


def shown(name: str, result: Result, top: float) -> Result:
    """Print a result, and let go of its memory."""
    print(
        f"{name:16}{result.tokens_per_second:9.0f} tok/s {result.flops_per_second / 1e12:7.2f} TFLOP/s, "
        f"{100 * result.flops_per_second / top:5.1f} % of the product, {result.peak_gib:6.2f} GiB, "
        f"steps {' '.join(f'{seconds:.1f}' for seconds in result.seconds)} s, "
        f"losses {' '.join(f'{loss:.4f}' for loss in result.losses)}",
        flush=True,
    )
    gc.collect()
    if ON_GPU:
        torch.cuda.empty_cache()
        torch._dynamo.reset()
    return result


if __name__ == "__main__":
    main()
