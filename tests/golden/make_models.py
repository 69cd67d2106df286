"""Makes tests/golden/models/: tiny random models in Hugging Face layout with the logits transformers computes."""
import pathlib
import shutil
import sys

import numpy as np
import torch
import safetensors.numpy

import tiny_models

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "interop"))
import quantized_folder  # noqa: E402

BF16, FP16 = torch.bfloat16, torch.float16


def rope(kind, theta=10000.0, **more):
    return {"rope_parameters": {"rope_type": kind, "rope_theta": theta, **more}}


LLAMA3 = rope("llama3", 5e5, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)
YARN = rope("yarn", factor=4.0, original_max_position_embeddings=32)
WINDOW = dict(use_sliding_window=True, sliding_window=8, max_window_layers=1)

GEMMA2 = dict(head_dim=32, query_pre_attn_scalar=24, sliding_window=64, num_hidden_layers=3, tie_word_embeddings=True,
              attn_logit_softcapping=4.0, final_logit_softcapping=40.0)
CAPLESS = dict(attn_logit_softcapping=None, final_logit_softcapping=None)

# name: (family, dtype stored, T, config changes, what switches the feature off again)
CASES = {
    "llama": ("llama", BF16, 48, {}, None),
    "llama_rope_llama3": ("llama", BF16, 96, LLAMA3, rope("default", 5e5)),
    "llama_rope_linear": ("llama", BF16, 64, rope("linear", factor=4.0), rope("default")),
    "llama_rope_dynamic": ("llama", BF16, 96, rope("dynamic", factor=2.0) | {"max_position_embeddings": 32}, rope("default")),
    "llama_rope_yarn": ("llama", BF16, 96, YARN | {"max_position_embeddings": 128}, rope("default")),
    "llama_bias": ("llama", BF16, 48, dict(attention_bias=True, mlp_bias=True, head_dim=24), None),
    "mistral_window": ("mistral", BF16, 40, dict(sliding_window=8), dict(sliding_window=None)),
    "mistral_fp16": ("mistral", FP16, 40, dict(sliding_window=None, head_dim=32), None),
    "qwen2": ("qwen2", BF16, 48, dict(tie_word_embeddings=True, rms_norm_eps=1e-6, **rope("default", 1e6)), None),
    "qwen2_window": ("qwen2", BF16, 40, WINDOW | rope("default", 1e6), dict(use_sliding_window=False)),
    "qwen3": ("qwen3", BF16, 48, dict(tie_word_embeddings=True, head_dim=32, rms_norm_eps=1e-6, **rope("default", 1e6)), None),
    "qwen3_sharded": ("qwen3", BF16, 48, dict(head_dim=24, rms_norm_eps=1e-6), None),
    "gemma2": ("gemma2", BF16, 40, GEMMA2, CAPLESS),
    "gemma2_window": ("gemma2", BF16, 40, GEMMA2 | CAPLESS | dict(sliding_window=8), dict(sliding_window=64)),
    "phi": ("phi", FP16, 40, dict(layer_norm_eps=1e-5, num_key_value_heads=4, partial_rotary_factor=0.5), None),
    "phi_qk_layernorm": ("phi", FP16, 40, dict(layer_norm_eps=1e-5, qk_layernorm=True), None),
}
DIALECT_4 = {"llama_rope_llama3": "llama_rope_llama3_v4", "qwen2_window": "qwen2_window_v4"}

# name: (dense source, how write_quantized packs it)
QUANTIZED = {
    "llama_gptq_4bit": ("llama", dict(bits=4, group_size=32, sym=False, desc_act=True, checkpoint_format="gptq_v2",
                                      autogptq_style=True)),
    "qwen2_gptq_3bit": ("qwen2", dict(bits=3, group_size=32, sym=True, desc_act=False, checkpoint_format="gptq")),
}


def write_expected(folder, ids, values, positions):
    tensors = {
        "input_ids": np.array(ids, np.int64),        # [T]
        "positions": np.array(positions, np.int64),  # [T']
        "logits": values[positions],                 # [T', V]
    }
    safetensors.numpy.save_file(tensors, folder / "expected.safetensors")


def make(name, family, dtype, length, changes, without, seed):
    folder = HERE / "models" / name
    shutil.rmtree(folder, ignore_errors=True)
    model = tiny_models.build(family, seed, dtype, **changes)
    ids = tiny_models.random_ids(seed, length)
    values = tiny_models.logits(model, ids)
    if without is not None:  # the feature under test must matter
        plain = tiny_models.logits(tiny_models.build(family, seed, dtype, **changes | without), ids)
        assert np.abs(plain - values).max() > 0.1 * np.abs(values).max(), name
    tiny_models.save(model, folder, dtype, **({"max_shard_size": "100KB"} if name.endswith("sharded") else {}))
    write_expected(folder, ids, values, range(length))
    if name in DIALECT_4:
        twin = folder.with_name(DIALECT_4[name])
        shutil.rmtree(twin, ignore_errors=True)
        shutil.copytree(folder, twin)
        tiny_models.to_dialect_4(twin)
        again = tiny_models.FAMILIES[family][1].from_pretrained(twin, dtype=torch.float32)
        assert np.array_equal(tiny_models.logits(again, ids), values), twin
    print(f"{name}: T {length}, max |logit| {np.abs(values).max():.2f}")


def make_quantized(name, source, seed, **packing):
    folder = HERE / "models" / name
    shutil.rmtree(folder, ignore_errors=True)
    quantized_folder.write_quantized(folder.with_name(source), folder, **packing, seed=seed)
    ids = tiny_models.random_ids(seed, 48)
    values = tiny_models.logits(quantized_folder.dense_model(folder), ids)
    dense = tiny_models.logits(quantized_folder.dense_model(folder.with_name(source)), ids)
    write_expected(folder, ids, values, range(len(ids)))
    print(f"{name}: max |logit| {np.abs(values).max():.2f}, quantization moves it by {np.abs(values - dense).max():.2f}")


def main():
    for number, (name, case) in enumerate(CASES.items()):
        make(name, *case, seed=100 + number)
    for number, (name, (source, packing)) in enumerate(QUANTIZED.items()):
        make_quantized(name, source, seed=200 + number, **packing)


if __name__ == "__main__":
    main()
