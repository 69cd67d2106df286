"""Folders that `gptq quantize` writes: the format to the byte, the weights through transformers, and the quality."""
import json
import pathlib
import re
import shutil
import tempfile

import numpy as np
import safetensors
import safetensors.torch
import tokenizers
import torch

import gptq_format
import harness
import quantized_folder
import safetensors_bytes
import tiny_models
from check_logits import demo_ids

# name: bits, group_size, sym, desc_act, checkpoint_format
SETTINGS = {
    "4 bits g128 sym": (4, 128, True, False, "gptq"),
    "3 bits g64 asym v2": (3, 64, False, False, "gptq_v2"),
    "4 bits g32 act-order": (4, 32, True, True, "gptq"),
    "8 bits, one group": (8, -1, True, False, "gptq"),
    "2 bits g32 asym v1": (2, 32, False, False, "gptq"),
}


def quantize(tools, target, bits, group_size, sym, desc_act, checkpoint_format):
    flags = ["--desc-act"] * desc_act + ["--asym"] * (not sym) + ["--format", checkpoint_format]
    calibration = ["--calibration", harness.DEMO / "calibration.jsonl", "--samples", 16, "--seqlen", 256]
    tools.run(tools.gptq, "quantize", harness.DEMO, "-o", target, "--bits", bits, "--group-size", group_size, *flags, *calibration)


def check_config(report, name, folder, bits, group_size, sym, desc_act, checkpoint_format):
    own = json.loads((folder / "quantize_config.json").read_text())
    config = json.loads((folder / "config.json").read_text())
    embedded = config.pop("quantization_config")
    report.check(f"{name}: both config dictionaries agree", own == embedded, "" if own == embedded else f"{own} {embedded}")
    expected = dict(bits=bits, group_size=group_size, sym=sym, desc_act=desc_act, checkpoint_format=checkpoint_format,
                    quant_method="gptq")
    found = {key: own.get(key) for key in expected}
    report.check(f"{name}: settings", found == expected, "" if found == expected else f"{found}, expected {expected}")
    source = json.loads((harness.DEMO / "config.json").read_text())
    changed = {k for k in source if config.get(k, source[k]) != source[k]} - {"torch_dtype", "dtype", "transformers_version"}
    report.check(f"{name}: model config kept", not changed, ", ".join(sorted(changed)))
    for file in ("tokenizer.json", "tokenizer_config.json"):
        report.check(f"{name}: {file} kept", (folder / file).read_bytes() == (harness.DEMO / file).read_bytes())


def check_bytes(report, name, folder):
    """Each weight file must be what the reference writer makes of the same tensors (its metadata order is random)."""
    for path in quantized_folder.weight_files(folder):
        with safetensors.safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
        report.check(f"{name}: metadata of {path.name}", metadata.get("format") == "pt", metadata)
        reference = safetensors.torch.save(safetensors.torch.load_file(path), metadata)
        same = safetensors_bytes.sorted_metadata(reference) == safetensors_bytes.sorted_metadata(path.read_bytes())
        report.check(f"{name}: bytes of {path.name}", same)


def expected_tensors(source, bits, group_size):
    """name -> (dtype, shape) of every tensor that the quantized folder must hold."""
    table = {}
    for tensor_name, tensor in source.items():
        match = quantized_folder.LINEAR.fullmatch(tensor_name)
        if not match:
            table[tensor_name] = None
            continue
        outputs, inputs = tensor.shape
        groups = gptq_format.group_count(inputs, group_size)
        table |= {f"{match[1]}.qweight": (torch.int32, (inputs * bits // 32, outputs)),
                  f"{match[1]}.qzeros": (torch.int32, (groups, outputs * bits // 32)),
                  f"{match[1]}.scales": (torch.float16, (groups, outputs)),
                  f"{match[1]}.g_idx": (torch.int32, (inputs,))}
    return table


def check_tensors(report, name, folder, bits, group_size, sym, desc_act, checkpoint_format):
    source, tensors = quantized_folder.read_tensors(harness.DEMO), quantized_folder.read_tensors(folder)
    table = expected_tensors(source, bits, group_size)
    report.check(f"{name}: tensor names", set(tensors) == set(table), sorted(set(tensors) ^ set(table))[:4] or len(table))
    wrong = [t for t, kind in table.items() if kind and t in tensors and kind != (tensors[t].dtype, tuple(tensors[t].shape))]
    report.check(f"{name}: dtypes and shapes", not wrong, wrong[:4] or "")
    kept = all(torch.equal(tensors[t].float(), source[t].float()) for t, kind in table.items() if kind is None and t in tensors)
    report.check(f"{name}: other tensors unchanged", kept)

    orders, zeros_ok, scales_ok = True, True, True
    for module in {t.removesuffix(".qweight") for t in tensors if t.endswith(".qweight")}:
        packed = {s: tensors[f"{module}.{s}"].numpy() for s in quantized_folder.PACKED}
        _, zeros = gptq_format.unpack_module(packed, bits, checkpoint_format)
        g_idx = packed["g_idx"]
        trivial = gptq_format.group_index(len(g_idx), group_size)
        orders &= np.array_equal(np.sort(g_idx) if desc_act else g_idx, trivial)
        zeros_ok &= bool((zeros == 1 << bits - 1).all()) if sym else checkpoint_format == "gptq_v2" or bool(zeros.min() >= 1)
        scales_ok &= bool(np.isfinite(packed["scales"]).all() and (packed["scales"] > 0).all())
    report.check(f"{name}: g_idx", orders)
    report.check(f"{name}: zeros", zeros_ok)
    report.check(f"{name}: scales", scales_ok)


def divergence(reference, logits):
    """Mean Kullback-Leibler divergence of the next-token distributions."""
    p, q = (torch.log_softmax(torch.from_numpy(x).double(), -1) for x in (reference, logits))
    return float((p.exp() * (p - q)).sum(-1).mean())


def check_quality(report, name, ids, logits, settings):
    """Calibrated codes must follow the dense model more closely than rounding to nearest in the same format."""
    dense = tiny_models.logits(quantized_folder.dense_model(harness.DEMO), ids)
    with tempfile.TemporaryDirectory() as scratch:
        quantized_folder.write_quantized(harness.DEMO, scratch, *settings)
        rounded = tiny_models.logits(quantized_folder.dense_model(scratch), ids)
    ours, theirs = divergence(dense, logits), divergence(dense, rounded)
    report.check(f"{name}: closer than rounding", ours < theirs, f"KL {ours:.5f}, rounding {theirs:.5f}")


def perplexity(model, text, window):
    """exp of the mean loss over whole windows of one token stream."""
    ids = tokenizers.Tokenizer.from_file(str(harness.DEMO / "tokenizer.json")).encode(text).ids
    rows = torch.tensor(ids[: len(ids) // window * window]).view(-1, window)
    with torch.no_grad():
        losses = [model(input_ids=row[None], labels=row[None]).loss.item() for row in rows]
    return float(np.exp(np.mean(losses)))


def check_perplexity(report, tools, folder):
    """Agreement to 2 %: where a window begins and which tokens count is the tool's own affair."""
    text = re.sub(r"\r", "", (harness.DEMO / "eval.txt").read_text())[:40000]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(text)
        file.flush()
        answer = json.loads(tools.run(tools.gptq, "perplexity", folder, "--text", file.name, "--window", 256, "--json"))
    theirs = perplexity(quantized_folder.dense_model(folder), text, 256)
    ours = answer["perplexity"]
    report.check(f"perplexity of {folder.name}", abs(ours / theirs - 1) < 0.02, f"{ours:.3f}, transformers {theirs:.3f}")


# family: what its config has besides the tiny models' own
FAMILIES = {
    "gemma2": dict(head_dim=32, query_pre_attn_scalar=24, sliding_window=16, attn_logit_softcapping=10.0,
                   final_logit_softcapping=30.0, tie_word_embeddings=True),
    "phi": dict(layer_norm_eps=1e-5, partial_rotary_factor=0.5, num_key_value_heads=4),
    "qwen3": dict(head_dim=32),
}


def check_family(report, tools, family, changes):
    """A random model with the demo's tokenizer, quantized by us: our logits are those of transformers with its weights."""
    name = f"quantize a {family}"
    ids = demo_ids(100, offset=3000)
    with report.case(name), tempfile.TemporaryDirectory() as scratch:
        dense, packed = pathlib.Path(scratch) / "dense", pathlib.Path(scratch) / "packed"
        model = tiny_models.build(family, 7, torch.bfloat16, vocab_size=4096, hidden_size=128, intermediate_size=192, **changes)
        tiny_models.save(model, dense, torch.bfloat16)
        for file in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(harness.DEMO / file, dense)
        tools.run(tools.gptq, "quantize", dense, "-o", packed, "--group-size", 32, "--samples", 8, "--seqlen", 64, "--desc-act")
        report.check(f"{name}: something is packed", any(t.endswith(".qweight") for t in quantized_folder.read_tensors(packed)))
        report.same_logits(f"{name}: logits", tools.logits(packed, ids), tiny_models.logits(quantized_folder.dense_model(packed), ids))
        text = tools.run(tools.gptq, "generate", packed, "It was", "--max-new-tokens", 8)
        report.check(f"{name}: generates", bool(text), repr(text))


def run(report, tools):
    for family, changes in FAMILIES.items():
        check_family(report, tools, family, changes)
    ids = demo_ids(384, offset=20000)
    with report.case("perplexity of demo"):
        check_perplexity(report, tools, harness.DEMO)
    for label, settings in SETTINGS.items():
        name = f"quantize {label}"
        with report.case(name), tempfile.TemporaryDirectory() as scratch:
            folder = pathlib.Path(scratch) / "quantized"
            quantize(tools, folder, *settings)
            check_config(report, name, folder, *settings)
            check_bytes(report, name, folder)
            check_tensors(report, name, folder, *settings)
            ours = tools.logits(folder, ids)
            theirs = tiny_models.logits(quantized_folder.dense_model(folder), ids)
            report.same_logits(f"{name}: logits", ours, theirs)
            if settings[0] < 8:  # at 8 bits rounding is already within noise
                check_quality(report, name, ids, theirs, settings)
            if settings[0] == 4:
                check_perplexity(report, tools, folder)
