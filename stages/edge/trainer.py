# ruff: noqa: ANN401, D102 - the libraries' interfaces
"""TRL's SFTTrainer on whole optimiser steps: each step is planned, cut to the machine's memory and summed up exactly.

The Trainer sees a step as one batch. Here it is a list of micro-batches, as many for each device, of whole traces one
after the other without padding (or padded, for a model whose attention needs that). All epochs are one pass over the
plan's steps, so that a run goes on from any step of any epoch by its number alone.
"""

import contextlib
import gc
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch.utils.data import DataLoader, Dataset
from transformers import PreTrainedModel, TrainerCallback
from trl import SFTConfig, SFTTrainer

from stages.core import batching

IGNORED = -100


class Traces(Protocol):
    """Tokenised traces by index, and their lengths in tokens."""

    lengths: Any

    def row(self, index: int) -> tuple[Any, int]:
        """Token ids (int32, one dimension) and how many of them, from the start, are prompt."""
        ...


class Steps(Dataset[list[dict[str, Any]]]):
    """The micro-batches of one device for each step of a plan."""

    def __init__(
        self, traces: Traces, plan: batching.Plan, limit: batching.Limit, device: int, num_devices: int, pad: int
    ) -> None:
        """`pad` is the id that fills rows up where `limit.padded`."""
        self.traces, self.plan, self.limit = traces, plan, limit
        self._device, self._num_devices, self.pad = device, num_devices, pad

    def __len__(self) -> int:
        return self.plan.num_steps

    def __getitem__(self, step: int) -> list[dict[str, Any]]:
        rows = self.plan.rows(step).tolist()
        lengths = [int(self.traces.lengths[row]) for row in rows]
        cut = batching.micro_batches(rows, lengths, self._num_devices, self.limit)[self._device]
        return [self.micro_batch(each) if each else self._nothing(rows[0]) for each in cut]

    def micro_batch(self, rows: Sequence[int]) -> dict[str, Any]:
        """Tensors of (1, tokens), or of (rows, longest) where they are padded."""
        found = [self._tensors(row) for row in rows]
        return _padded(found, self.pad) if self.limit.padded else _joined(found)

    def _tensors(self, row: int) -> tuple[torch.Tensor, torch.Tensor]:
        ids, num_prompt = self.traces.row(row)
        tokens = torch.as_tensor(ids).long()
        labels = tokens.clone()
        labels[: max(num_prompt, 1)] = IGNORED  # nothing comes before the first token that could foretell it
        return tokens, labels

    def _nothing(self, row: int) -> dict[str, Any]:
        """A pass that adds nothing, for a device that has no trace left while others have: they wait for each other."""
        batch = self.micro_batch([row])
        batch["labels"] = torch.full_like(batch["labels"], IGNORED)
        return batch


def _joined(rows: list[tuple[torch.Tensor, torch.Tensor]]) -> dict[str, Any]:
    lengths = [len(tokens) for tokens, _ in rows]
    bounds = torch.tensor([0, *lengths]).cumsum(0).to(torch.int32)
    return {
        "input_ids": torch.cat([tokens for tokens, _ in rows])[None],
        "labels": torch.cat([labels for _, labels in rows])[None],
        "position_ids": torch.cat([torch.arange(length) for length in lengths])[None],
        "cu_seq_lens_q": bounds,
        "cu_seq_lens_k": bounds,
        "max_length_q": max(lengths),
        "max_length_k": max(lengths),
    }


def _padded(rows: list[tuple[torch.Tensor, torch.Tensor]], pad: int) -> dict[str, Any]:
    from torch.nn.utils.rnn import pad_sequence

    tokens, labels = zip(*rows, strict=True)
    return {
        "input_ids": pad_sequence(list(tokens), batch_first=True, padding_value=pad),
        "labels": pad_sequence(list(labels), batch_first=True, padding_value=IGNORED),
        "attention_mask": pad_sequence([torch.ones_like(each) for each in tokens], batch_first=True),
    }


def _lengths(batch: dict[str, Any]) -> list[int]:
    found = batch["cu_seq_lens_q"].diff() if "cu_seq_lens_q" in batch else batch["attention_mask"].sum(1)
    return [int(length) for length in found.tolist()]


class Trainer(SFTTrainer):
    """One pass over `steps`."""

    def __init__(self, model: PreTrainedModel, steps: Steps, arguments: SFTConfig, **others: Any) -> None:
        """`others` are SFTTrainer's, without a data set."""
        from datasets import Dataset as Table

        self.steps = steps
        self._shape = shape(model)
        # SFTTrainer wants to see a row; the loader below never looks at this table.
        row = Table.from_dict({"input_ids": [[0, 0]], "labels": [[IGNORED, 0]]})
        super().__init__(model=model, args=arguments, train_dataset=row, **others)

    def get_train_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self.steps, batch_size=1, shuffle=False, collate_fn=_only)

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: torch.device) -> Any:
        """One step: its micro-batches as a single batch, and the trained tokens of all devices together."""
        samples, _ = super().get_batch_samples(epoch_iterator, num_batches, device)
        flat = [batch for step in samples for batch in step]
        return samples, self._get_num_items_in_batch(flat, device)

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        """Forward and backward of each micro-batch; gradients meet those of other devices after the last."""
        total: Any = 0
        self._count(inputs)
        synced = self.accelerator.distributed_type == "DEEPSPEED"  # it is told when a step ends
        for place, batch in enumerate(inputs, 1):
            is_last = place == len(inputs)
            self.accelerator.gradient_state._set_sync_gradients(is_last)
            apart = contextlib.nullcontext() if is_last or synced else self.accelerator.no_sync(model)
            with apart:
                total = total + super().training_step(model, batch, num_items_in_batch)
        return total

    def held_out_loss(self, held_out: Traces) -> float:
        """Mean loss over the trained tokens of these traces. All devices call it, and all get the same number."""
        plan = batching.Plan(len(held_out.lengths), len(held_out.lengths), 1, 0)
        num_devices, device = self.accelerator.num_processes, self.accelerator.process_index
        steps = Steps(held_out, plan, self.steps.limit, device, num_devices, self.steps.pad)
        sums = torch.zeros(2, dtype=torch.float64, device=self.accelerator.device)
        self.model.eval()
        with torch.no_grad(), self.compute_loss_context_manager():
            for batch in steps[0]:
                found = self.model_wrapped(**self._prepare_inputs(batch), use_cache=False, fused_lm_head=True)
                sums += torch.stack([-found.log_probs.sum(), found.label_mask.sum()]).double()
        self.model.train()
        total, num_tokens = self.accelerator.reduce(sums).tolist()
        return float(total / num_tokens)

    def gathered(self) -> tuple[PreTrainedModel, dict[str, Any] | None]:
        """The trained model, and its weights where they lie in parts on all devices (which all must call this)."""
        model: PreTrainedModel = self.accelerator.unwrap_model(self.model, keep_torch_compile=False)
        if not is_sharded():
            return model, None
        weights = self.accelerator.get_state_dict(self.model_wrapped)
        return model, weights and {
            name: each for name, each in weights.items() if name not in model.all_tied_weights_keys
        }

    def release(self) -> None:
        """Give the device's memory back; there is nothing to train with any more."""
        self.accelerator.free_memory()
        for held in ("model", "model_wrapped", "optimizer", "lr_scheduler"):
            setattr(self, held, None)
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _count(self, batches: list[dict[str, Any]]) -> None:
        """Log the share of padding and the model FLOPs of a step, of this device."""
        computed = sum(batch["input_ids"].numel() for batch in batches)
        lengths = [length for batch in batches for length in _lengths(batch)]
        self._metrics["train"]["padding_share"].append(1 - sum(lengths) / computed)
        self._metrics["train"]["tera_flops"].append(batching.training_flops(self._shape, lengths) / 1e12)

    def _prepare_inputs(self, inputs: Any) -> Any:
        # The bounds stay where the attention reads them: copying them back would stop the device in every layer.
        bounds = {name: inputs[name] for name in ("cu_seq_lens_q", "cu_seq_lens_k") if name in inputs}
        own = self.model.config._attn_implementation == "documents"
        return {**super()._prepare_inputs(inputs), **(bounds if own else {})}


def _only(items: list[Any]) -> Any:
    (item,) = items
    return item


def in_bfloat16(model: PreTrainedModel) -> None:
    """Keep activations in bfloat16 from the embedding on, as with bfloat16 weights; the weights stay float32.

    Autocast by itself would hand on float32 between layers, at twice the memory.
    """
    embedding = model.get_input_embeddings()
    embedding.register_forward_hook(lambda _module, _inputs, output: output.to(torch.bfloat16))


class HeldOut(TrainerCallback):
    """Measures the held-out loss every so many steps and at the end, and keeps the weights that may be wanted.

    The measurements stand in the Trainer's log, so a run that goes on knows those before it.
    """

    def __init__(self, traces: Traces, every: int, keep: str, num: int, folder: Path) -> None:
        """`keep` is "last" for no weights, "best_loss" for one, else those of the last `num`; below `folder`."""
        self._traces, self._every, self._keep, self._num, self._folder = traces, every, keep, num, folder
        self.learner: Trainer | None = None

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        assert self.learner is not None
        if state.global_step % self._every and state.global_step != state.max_steps:
            return
        loss = self.learner.held_out_loss(self._traces)
        before = [entry["held_out_loss"] for entry in state.log_history if "held_out_loss" in entry]
        state.log_history.append({"step": state.global_step, "held_out_loss": loss})
        if self._keep == "last" or (self._keep == "best_loss" and loss >= min(before, default=math.inf)):
            return
        self._save(state.global_step)

    def _save(self, step: int) -> None:
        assert self.learner is not None
        model, weights = self.learner.gathered()
        if self.learner.is_world_process_zero():
            partial = self._folder / "partial"
            shutil.rmtree(partial, ignore_errors=True)
            model.save_pretrained(partial, state_dict=weights)
            self.learner.processing_class.save_pretrained(partial)
            shutil.rmtree(self._folder / str(step), ignore_errors=True)
            partial.replace(self._folder / str(step))
            for old in self.kept()[: -1 if self._keep == "best_loss" else -self._num]:
                shutil.rmtree(old)

    def kept(self) -> list[Path]:
        """Folders of the kept weights, the latest step last."""
        found = [path for path in self._folder.glob("*") if path.name.isdigit()]
        return sorted(found, key=lambda path: int(path.name))


def average(folders: Sequence[Path], output: Path) -> None:
    """Write to `output` the mean of models' weights, summed in float64, with the other files of the last.

    The mean of the last checkpoints of a run often beats each of them (Izmailov et al., 2018, "Averaging Weights Leads
    to Wider Optima and Better Generalization").
    """
    from safetensors.torch import load_file, save_file

    shutil.copytree(folders[-1], output)
    for file in sorted(output.glob("*.safetensors")):
        # Each has the same files: they are cut by size alone.
        parts = [load_file(folder / file.name) for folder in folders]
        mean = {
            name: (sum(part[name].double() for part in parts) / len(parts)).to(each.dtype)
            for name, each in parts[-1].items()
        }
        save_file(mean, file, metadata={"format": "pt"})


def rehearse(model: PreTrainedModel, steps: Steps, arguments: SFTConfig) -> None:
    """Run the largest forward and backward pass of the first epoch, so that a lack of memory shows at once.

    Raises torch.OutOfMemoryError, also where the optimiser's two moments would not fit beside it.
    """
    device, lengths = arguments.device, steps.traces.lengths
    if steps.limit.padded:
        rows = [int(lengths.argmax())] * max(1, steps.limit.tokens // int(lengths.max()))
    else:
        order = lengths.argsort()[::-1]
        rows = [int(row) for row, end in zip(order, lengths[order].cumsum(), strict=True) if end <= steps.limit.tokens]
    batch = steps.micro_batch(rows[: steps.limit.rows])
    model.to(device)
    model.train()
    if arguments.gradient_checkpointing:
        model.gradient_checkpointing_enable(arguments.gradient_checkpointing_kwargs)
    moved = {
        name: each.to(device) if torch.is_tensor(each) and "cu_seq" not in name else each
        for name, each in batch.items()
    }
    with torch.autocast(device.type, torch.bfloat16, enabled=arguments.bf16):
        hidden = model.get_decoder()(
            **{name: each for name, each in moved.items() if name != "labels"}, use_cache=False
        )[0]
    hidden.float().mean().backward()
    moments = [torch.empty(2 * each.numel(), device=device) for each in model.parameters()]
    del moments, hidden
    model.zero_grad(set_to_none=True)
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def compile_layers(model: PreTrainedModel) -> None:
    """Compile each decoder layer (they share the result): fused norms, rotations and activations."""
    for layers in (module for module in model.modules() if isinstance(module, torch.nn.ModuleList)):
        for layer in layers:
            layer.compile(dynamic=True)


def shape(model: PreTrainedModel) -> batching.Shape:
    """What a model's arithmetic depends on."""
    config = model.config.get_text_config()
    heads = int(config.num_attention_heads)
    width = getattr(config, "head_dim", None) or config.hidden_size // heads
    return batching.Shape(matrix_parameters(model), int(config.num_hidden_layers), heads * int(width))


def matrix_parameters(model: PreTrainedModel) -> int:
    """Parameters that multiply each token: of the linear layers, a tied output head among them."""
    return sum(
        module.in_features * module.out_features for module in model.modules() if isinstance(module, torch.nn.Linear)
    )


def is_sharded() -> bool:
    """Whether the weights themselves lie in parts on all devices (ZeRO-3)."""
    from transformers.integrations import is_deepspeed_zero3_enabled

    return bool(is_deepspeed_zero3_enabled())


__all__ = ["SFTConfig", "Steps", "Trainer", "TrainerCallback", "in_bfloat16"]
