"""Whole GPTQ model folders in Python: writes one by rounding to nearest, loads one densely into transformers."""
import json
import pathlib
import re
import shutil

import numpy as np
import safetensors.torch
import torch
import transformers

import gptq_format

LINEAR = re.compile(r"(model\.layers\.\d+\.(?:self_attn|mlp)\.\w+_proj)\.weight")
PACKED = ("qweight", "qzeros", "scales", "g_idx")


def read_json(path):
    return json.loads(pathlib.Path(path).read_text())


def write_json(path, value):
    pathlib.Path(path).write_text(json.dumps(value, indent=2) + "\n")


def weight_files(folder):
    folder = pathlib.Path(folder)
    index = folder / "model.safetensors.index.json"
    if index.exists():
        return [folder / name for name in sorted(set(read_json(index)["weight_map"].values()))]
    return [f for f in folder.glob("*.safetensors") if f.name != "expected.safetensors"]


def read_tensors(folder):
    return {name: t for file in weight_files(folder) for name, t in safetensors.torch.load_file(file).items()}


def write_quantized(source, target, bits, group_size, sym, desc_act, checkpoint_format, autogptq_style=False, seed=0):
    """Quantizes every linear of `source`'s decoder layers by rounding to nearest and writes a complete folder.

    With desc_act the order of the columns is random: rounding needs no order, but a reader must honour g_idx.
    `autogptq_style` uses AutoGPTQ's file name and gives every linear an all-zero bias where it has none.
    """
    source, target = pathlib.Path(source), pathlib.Path(target)
    target.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    tensors = {}
    for name, tensor in sorted(read_tensors(source).items()):
        match = LINEAR.fullmatch(name)
        if not match:
            tensors.setdefault(name, tensor)
            continue
        outputs, inputs = tensor.shape
        order = rng.permutation(inputs) if desc_act else None
        g_idx = gptq_format.group_index(inputs, group_size, order)
        lowest_zero = 1 if checkpoint_format == "gptq" else 0
        quantized = gptq_format.round_to_nearest(tensor.float().numpy(), bits, group_size, sym, g_idx, lowest_zero)
        for suffix, part in gptq_format.pack_module(*quantized, g_idx, bits, checkpoint_format).items():
            tensors[f"{match[1]}.{suffix}"] = torch.from_numpy(part)
        if autogptq_style:
            tensors.setdefault(f"{match[1]}.bias", torch.zeros(outputs, dtype=torch.float16))

    settings = dict(bits=bits, group_size=group_size, damp_percent=0.01, desc_act=desc_act, static_groups=False, sym=sym,
                    true_sequential=True, quant_method="gptq", checkpoint_format=checkpoint_format)
    if autogptq_style:
        stem = f"gptq_model-{bits}bit-{group_size}g"
        settings |= dict(model_name_or_path=None, model_file_base_name=stem)
    else:
        stem = "model"
        settings |= dict(lm_head=False, pack_dtype="int32", meta={"quantizer": ["interop-rtn:1"]})
    safetensors.torch.save_file(tensors, target / f"{stem}.safetensors", {"format": "pt"})
    write_json(target / "quantize_config.json", settings)
    write_json(target / "config.json", read_json(source / "config.json") | {"quantization_config": settings})
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        if (source / name).exists():
            shutil.copy(source / name, target)


def plain_zeros(words):
    """The zeros that GPTQModel 5 stored at 3 bits in format gptq, as format gptq_v2 has them."""
    reversed_constants = np.array([0x24924924, 0x92492492, 0x49249249], np.uint32)
    return (np.ascontiguousarray(words).view(np.uint32) + np.tile(reversed_constants, words.shape[1] // 3)).view(np.int32)


def of_gptqmodel_5(settings):
    quantizer = settings.get("meta", {}).get("quantizer", [""])
    return settings["bits"] == 3 and settings.get("checkpoint_format", "gptq") == "gptq" and quantizer[0].startswith("gptqmodel:5.")


def dense_state(folder):
    """All tensors of a quantized folder as fp32, with each packed linear replaced by its dense weight."""
    tensors = read_tensors(folder)
    settings = read_json(pathlib.Path(folder) / "config.json")["quantization_config"]
    odd_zeros = of_gptqmodel_5(settings)
    state = {}
    for name, tensor in tensors.items():
        module, _, suffix = name.rpartition(".")
        if suffix == "qweight":
            packed = {s: tensors[f"{module}.{s}"].numpy() for s in PACKED}
            bits = packed["qweight"].shape[0] * 32 // len(packed["g_idx"])  # rules give modules their own
            if odd_zeros:
                packed["qzeros"] = plain_zeros(packed["qzeros"])
            weight = gptq_format.dequantize(packed, bits, "gptq_v2" if odd_zeros else settings.get("checkpoint_format", "gptq"))
            state[f"{module}.weight"] = torch.from_numpy(weight)
        elif suffix not in PACKED:
            state[name] = tensor.float()
    return state


def dense_model(folder):
    """A transformers model that computes in fp32 with the weights of a plain or quantized folder."""
    folder = pathlib.Path(folder)
    settings = read_json(folder / "config.json")
    quantized = settings.pop("quantization_config", None) is not None
    config = transformers.AutoConfig.for_model(**settings)
    state = dense_state(folder) if quantized else {k: t.float() for k, t in read_tensors(folder).items()}
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    missing, unexpected = model.load_state_dict(state, strict=False)
    model.tie_weights()
    assert set(missing) <= ({"lm_head.weight"} if config.tie_word_embeddings else set()), missing
    for name in unexpected:  # AutoGPTQ writes biases that the model does not have
        assert name.endswith("_proj.bias") and not state[name].any(), name
    return model
