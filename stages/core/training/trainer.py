# ruff: noqa: ANN401, D102 - the libraries' interfaces
"""TRL's SFTTrainer on whole optimiser steps: each step is planned, cut to the machine's memory and summed up exactly.

The Trainer sees a step as one batch. Here it is a list of micro-batches, as many for each device, of whole traces one
after the other without padding (or padded, for a model whose attention needs that). All epochs are one pass over the
plan's steps, so that a run goes on from any step of any epoch by its number alone.
"""

import contextlib
from typing import Any

import torch
from torch.utils.data import DataLoader
from transformers import PreTrainedModel
from trl import SFTConfig, SFTTrainer

from stages.core.training import attention, batching
from stages.core.training.batches import IGNORED, Steps, Traces


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
        # Some models say that they take no such count, and the sum of their micro-batches' means would be trained. It
        # never reaches them: SFTTrainer divides.
        self.model_accepts_loss_kwargs = True

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

    @property
    def kind(self) -> torch.dtype:
        """The type that the weights are computed in, and handed on in."""
        return torch.bfloat16 if self.args.bf16 else torch.float32

    def weights(self) -> dict[str, torch.Tensor]:
        """The weights in that type, by name, without those that are tied to others.

        All devices call it; of a model that lies in parts on all of them the first alone gets the whole.
        """
        model: Any = self.accelerator.unwrap_model(self.model, keep_torch_compile=False)
        state = self.accelerator.get_state_dict(self.model_wrapped) if is_sharded() else model.state_dict()
        if not self.is_world_process_zero():
            return {}
        return {name: each.to(self.kind) for name, each in state.items() if name not in model.all_tied_weights_keys}

    def _count(self, batches: list[dict[str, Any]]) -> None:
        """Log the share of padding and the model FLOPs of a step, of this device."""
        batches = [batch for batch in batches if bool((batch["labels"] != IGNORED).any())] or batches
        computed = sum(batch["input_ids"].numel() for batch in batches)
        lengths = [length for batch in batches for length in _lengths(batch)]
        self._metrics["train"]["padding_share"].append(1 - sum(lengths) / computed)
        self._metrics["train"]["tera_flops"].append(batching.training_flops(self._shape, lengths) / 1e12)

    def _prepare_inputs(self, inputs: Any) -> Any:
        # The bounds stay where the attention reads them: copying them back would stop the device in every layer.
        bounds = {name: inputs[name] for name in ("cu_seq_lens_q", "cu_seq_lens_k") if name in inputs}
        own = self.model.config._attn_implementation == attention.NAME
        return {**super()._prepare_inputs(inputs), **(bounds if own else {})}


def _only(items: list[Any]) -> Any:
    (item,) = items
    return item


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


__all__ = ["SFTConfig", "Steps", "Trainer"]
