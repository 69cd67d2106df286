"""Makes tests/golden/packed/: one quantized linear per file, packed by gptq_format.py from random codes."""
import pathlib
import sys

import numpy as np
import safetensors.numpy

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "interop"))
import gptq_format  # noqa: E402
import safetensors_bytes  # noqa: E402

# bits, group_size, sym, desc_act, checkpoint_format, K, N
CASES = [
    (2, 32, True, False, "gptq", 96, 32),
    (2, 64, False, False, "gptq_v2", 128, 64),
    (2, 64, False, True, "gptq", 96, 32),      # scattered groups, the last one short
    (3, 32, True, False, "gptq", 128, 64),
    (3, 32, False, False, "gptq_v2", 96, 32),
    (3, -1, False, False, "gptq", 128, 32),
    (3, 32, False, True, "gptq_v2", 128, 32),
    (3, 128, True, False, "gptq_v2", 96, 64),  # one group, shorter than group_size
    (4, 32, True, False, "gptq", 128, 64),
    (4, 32, False, False, "gptq_v2", 96, 32),
    (4, 32, True, True, "gptq", 128, 64),
    (4, 64, False, False, "gptq", 96, 64),     # the last group short
    (4, -1, True, False, "gptq_v2", 128, 32),
    (8, 32, True, False, "gptq", 96, 32),
    (8, -1, False, False, "gptq_v2", 128, 32),
    (8, 32, False, True, "gptq", 128, 32),
]


def case_name(bits, group_size, sym, desc_act, checkpoint_format):
    group = "all" if group_size == -1 else str(group_size)
    version = "v2" if checkpoint_format == "gptq_v2" else "v1"
    return f"{bits}bit_g{group}_{'sym' if sym else 'asym'}_{version}" + ("_actorder" if desc_act else "")


def make(seed, bits, group_size, sym, desc_act, checkpoint_format, inputs, outputs, lowest_zero=1, suffix=""):
    rng = np.random.default_rng(seed)
    groups = gptq_format.group_count(inputs, group_size)
    codes = rng.integers(0, 1 << bits, (inputs, outputs), dtype=np.int32)
    zeros = np.full((groups, outputs), 1 << bits - 1, np.int32)
    if not sym:
        zeros = rng.integers(lowest_zero, 1 << bits, (groups, outputs), dtype=np.int32)
    scales = rng.uniform(0.001, 0.1, (groups, outputs)).astype(np.float16)
    order = rng.permutation(inputs) if desc_act else None
    g_idx = gptq_format.group_index(inputs, group_size, order)

    tensors = gptq_format.pack_module(codes, zeros, scales, g_idx, bits, checkpoint_format)
    tensors |= {"codes": codes, "zeros": zeros, "weight": gptq_format.dequantize(tensors, bits, checkpoint_format)}
    again, zeros_again = gptq_format.unpack_module(tensors, bits, checkpoint_format)
    assert np.array_equal(again, codes) and np.array_equal(zeros_again, zeros)
    exact = (codes - zeros[g_idx]) * scales[g_idx].astype(np.float64)
    assert tensors["weight"].dtype == np.float32 and np.array_equal(exact.T, tensors["weight"])

    name = case_name(bits, group_size, sym, desc_act, checkpoint_format) + suffix
    metadata = dict(bits=str(bits), group_size=str(group_size), checkpoint_format=checkpoint_format,
                    sym=str(sym).lower(), desc_act=str(desc_act).lower())
    data = safetensors_bytes.sorted_metadata(safetensors.numpy.save(tensors, metadata))
    (HERE / "packed" / f"{name}.safetensors").write_bytes(data)


def main():
    (HERE / "packed").mkdir(exist_ok=True)
    for old in (HERE / "packed").glob("*.safetensors"):
        old.unlink()
    for seed, case in enumerate(CASES):
        make(seed, *case)
    make(99, 4, 32, False, False, "gptq", 96, 32, lowest_zero=0, suffix="_wrapped")


if __name__ == "__main__":
    main()
