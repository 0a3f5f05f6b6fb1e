"""Forward passes of models that learn what stands before every text: prefixes, prompts, p-tuning.

PEFT's own forward puts the learned part before each call, also when a cache already holds it, and always computes
scores for every place. Here it is put there once, and training gets hidden states, as with any other model.
"""

import types
from typing import Any

import torch


def is_virtual(model: Any) -> bool:
    """Whether a model is a `peft.PeftModel` that puts learned tokens before the text."""
    return bool(getattr(model, "_is_prompt_learning", False))


def take_over(model: Any) -> Any:
    """Let a model of this kind be called as any causal model is, with a cache or without; returns it."""
    model.forward = types.MethodType(_forward, model)
    return model


def count(model: Any) -> int:
    """Learned places before every text; 0 for other models."""
    return int(model.active_peft_config.num_virtual_tokens) if is_virtual(model) else 0


def states(model: Any, ids: torch.Tensor) -> torch.Tensor:
    """Hidden states of the text's own places. A line is one row: rows that share a line would share the learned part.

    Args:
        model: For which `is_virtual` holds.
        ids: Padded on the right, (lines, tokens).

    Returns:
        (lines, tokens, width).
    """
    given = _before(model, ids)
    hidden = model.get_base_model().base_model(**given, use_cache=False).last_hidden_state
    return hidden[:, -ids.shape[1] :]  # type: ignore[no-any-return]


def _before(model: Any, ids: torch.Tensor) -> dict[str, Any]:
    """Arguments for a first call: the text with what was learned before it."""
    prompt = model.get_prompt(batch_size=len(ids))
    if not isinstance(prompt, torch.Tensor):  # a cache of keys and values
        return {"input_ids": ids, "past_key_values": prompt}
    embedded = model.get_base_model().get_input_embeddings()(ids)  # (lines, tokens, width)
    return {"inputs_embeds": torch.cat([prompt.to(embedded.dtype), embedded], dim=1)}


def _forward(
    model: Any,
    input_ids: torch.Tensor,
    attention_mask: torch.Tensor | None = None,
    position_ids: torch.Tensor | None = None,
    past_key_values: Any = None,
    **options: Any,
) -> Any:
    """What the base model gives; masks and positions are those of the text alone."""
    learned, lines = count(model), len(input_ids)
    given: dict[str, Any] = {"input_ids": input_ids, "past_key_values": past_key_values}
    if past_key_values is None:
        given = _before(model, input_ids)
    if attention_mask is not None:
        given["attention_mask"] = torch.cat([attention_mask.new_ones(lines, learned), attention_mask], dim=1)
    if position_ids is not None:
        position_ids = position_ids + learned
        if "inputs_embeds" in given:
            first = torch.arange(learned, device=position_ids.device).expand(lines, -1)
            position_ids = torch.cat([first, position_ids], dim=1)
        given["position_ids"] = position_ids
    told = model.get_base_model()(**given, **options)
    told.logits = told.logits[:, -input_ids.shape[1] :]  # none for the learned places
    return told
