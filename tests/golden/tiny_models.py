"""Tiny random Hugging Face models: shared by make_models.py (golden files) and the interop check (fresh ones)."""
import copy
import json
import pathlib

import numpy as np
import torch
import transformers

transformers.utils.logging.disable_progress_bar()
VOCAB = 96
FAMILIES = {
    "llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM),
    "mistral": (transformers.MistralConfig, transformers.MistralForCausalLM),
    "qwen2": (transformers.Qwen2Config, transformers.Qwen2ForCausalLM),
    "qwen3": (transformers.Qwen3Config, transformers.Qwen3ForCausalLM),
    "gemma2": (transformers.Gemma2Config, transformers.Gemma2ForCausalLM),
    "phi": (transformers.PhiConfig, transformers.PhiForCausalLM),
}
BASE = dict(
    vocab_size=VOCAB,
    hidden_size=64,
    intermediate_size=96,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=256,
    rms_norm_eps=1e-5,
    tie_word_embeddings=False,
    bos_token_id=1,
    eos_token_id=2,
)


def config(family, **changes):
    return FAMILIES[family][0](**{**BASE, **changes})


def fill(family, name, shape, rng):
    """Random values large enough that every weight, bias and norm visibly moves the logits."""
    if "norm" in name:
        return rng.uniform(0.5, 1.5, shape) - (family == "gemma2")  # stored minus one
    if name.endswith("bias"):
        return rng.normal(0.0, 0.5, shape)
    if "embed_tokens" in name:
        return rng.normal(0.0, 0.7, shape)
    return rng.normal(0.0, 1.6 / np.sqrt(shape[1]), shape)


def build(family, seed, dtype, **changes):
    """A model whose weights are exactly representable in `dtype` but which computes in fp32."""
    model = FAMILIES[family][1](config(family, **changes)).eval()
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            values = torch.from_numpy(fill(family, name, tuple(parameter.shape), rng)).to(dtype)
            parameter.copy_(values.float())
    model.tie_weights()
    return model


def logits(model, ids):
    """fp32 logits [T, V] of one whole-sequence forward with plain attention."""
    model.set_attn_implementation("eager")
    with torch.no_grad():
        return model(input_ids=torch.tensor([ids]), use_cache=False).logits[0].float().numpy()


def random_ids(seed, count, vocab=VOCAB):
    """Ids in which tokens come back, so that attention has something to find."""
    rng = np.random.default_rng(seed)
    return rng.choice(rng.permutation(vocab)[: vocab // 2], count).tolist()


def save(model, folder, dtype, **options):
    """Writes the folder as save_pretrained does, with the weights stored in `dtype`."""
    folder = pathlib.Path(folder)
    # On a copy: a cast also rounds the rotary frequencies, and casting back does not restore them.
    copy.deepcopy(model).to(dtype).save_pretrained(folder, **options)
    (folder / "generation_config.json").unlink(missing_ok=True)


def to_dialect_4(folder):
    """Rewrites config.json as transformers 4 spelled it: rope_theta, rope_scaling, torch_dtype, no layer_types."""
    path = pathlib.Path(folder) / "config.json"
    old = json.loads(path.read_text())
    rope = old.pop("rope_parameters")
    old["rope_theta"] = rope.pop("rope_theta")
    old["rope_scaling"] = rope if rope["rope_type"] != "default" else None
    old["torch_dtype"] = old.pop("dtype")
    old["transformers_version"] = "4.40.0"
    old.pop("layer_types", None)
    path.write_text(json.dumps(dict(sorted(old.items())), indent=2) + "\n")
