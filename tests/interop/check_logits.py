"""Our forward pass against transformers in fp32: the demo model and freshly made random models of every family."""
import pathlib
import tempfile

import tokenizers
import torch

import harness
import quantized_folder
import tiny_models

BF16, FP16, FP32 = torch.bfloat16, torch.float16, torch.float32


def rope(kind, theta=10000.0, **more):
    return {"rope_parameters": {"rope_type": kind, "rope_theta": theta, **more}}


# name: (family, dtype stored, T, config changes)
FRESH = {
    "llama": ("llama", FP16, 70, {}),
    "llama fp32, one kv head": ("llama", FP32, 33, dict(num_key_value_heads=1, rms_norm_eps=1e-6)),
    "llama biases": ("llama", BF16, 50, dict(attention_bias=True, mlp_bias=True, head_dim=20)),
    "llama3 rope": ("llama", BF16, 200, rope("llama3", 5e5, factor=32.0, low_freq_factor=1.0, high_freq_factor=4.0,
                                             original_max_position_embeddings=64)),
    "linear rope": ("llama", BF16, 90, rope("linear", factor=2.5)),
    "dynamic rope, short": ("llama", BF16, 20, rope("dynamic", factor=4.0) | {"max_position_embeddings": 32}),
    "dynamic rope, long": ("llama", BF16, 90, rope("dynamic", factor=4.0) | {"max_position_embeddings": 32}),
    "yarn rope": ("llama", BF16, 150, rope("yarn", factor=4.0, original_max_position_embeddings=64, beta_fast=16.0, beta_slow=2.0)),
    "mistral": ("mistral", BF16, 60, dict(sliding_window=None, head_dim=24)),
    "mistral window": ("mistral", FP16, 61, dict(sliding_window=5)),
    "qwen2": ("qwen2", FP16, 60, rope("default", 1e6)),
    "qwen2 tied, window": ("qwen2", BF16, 60, dict(tie_word_embeddings=True, use_sliding_window=True, sliding_window=7,
                                                   max_window_layers=2, num_hidden_layers=4)),
    "qwen3": ("qwen3", FP16, 60, dict(head_dim=40, **rope("default", 1e6))),
    "qwen3 tied": ("qwen3", BF16, 60, dict(tie_word_embeddings=True, head_dim=16)),
    "gemma2": ("gemma2", BF16, 60, dict(head_dim=40, query_pre_attn_scalar=32, sliding_window=9, num_hidden_layers=3,
                                        attn_logit_softcapping=6.0, final_logit_softcapping=40.0, tie_word_embeddings=True)),
    "gemma2, one kv head, relu": ("gemma2", FP16, 40, dict(head_dim=24, num_key_value_heads=1, hidden_activation="relu",
                                                           sliding_window=100)),
    "phi": ("phi", BF16, 60, dict(layer_norm_eps=1e-6, num_key_value_heads=4, partial_rotary_factor=0.25)),
    "phi, gelu, q and k norms": ("phi", FP16, 60, dict(hidden_act="gelu", qk_layernorm=True, num_key_value_heads=1)),
}


def demo_ids(count, offset=0):
    tokenizer = tokenizers.Tokenizer.from_file(str(harness.DEMO / "tokenizer.json"))
    return tokenizer.encode((harness.DEMO / "eval.txt").read_text()[offset : offset + 8 * count]).ids[:count]


def run(report, tools):
    with report.case("logits: demo"):
        ids = demo_ids(384)
        theirs = tiny_models.logits(quantized_folder.dense_model(harness.DEMO), ids)
        report.same_logits("logits: demo", tools.logits(harness.DEMO, ids), theirs)
    for seed, (name, (family, dtype, length, changes)) in enumerate(FRESH.items(), start=5000):
        for dialect in (5, 4):
            label = f"logits: {name}, config dialect {dialect}"
            with report.case(label), tempfile.TemporaryDirectory() as scratch:
                model = tiny_models.build(family, seed, dtype, **changes)
                tiny_models.save(model, scratch, dtype)
                if dialect == 4:
                    tiny_models.to_dialect_4(scratch)
                ids = tiny_models.random_ids(seed, length)
                report.same_logits(label, tools.logits(pathlib.Path(scratch), ids), tiny_models.logits(model, ids))
