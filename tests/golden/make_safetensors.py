"""Makes tests/golden/safetensors/: files written by the reference safetensors library, for byte-for-byte comparison."""
import pathlib

import numpy as np
import safetensors

HERE = pathlib.Path(__file__).parent / "safetensors"

# The names that safetensors.TensorSpec gives the types, with their sizes.
TYPES = {"bool": 1, "uint8": 1, "int8": 1, "float8_e5m2": 1, "float8_e4m3fn": 1, "int16": 2, "uint16": 2, "float16": 2,
         "bfloat16": 2, "int32": 4, "uint32": 4, "float32": 4, "complex64": 8, "float64": 8, "int64": 8, "uint64": 8}
ODD_NAMES = ["", "\"quoted\\\"", "tab\tnew\nline\x01\x1f\x7f", "größe.重み.🙂", "a/b", "A", "z.10", "z.9"]


kept_alive = []  # a TensorSpec only points to its bytes


def entry(name, shape):
    count = TYPES[name] * int(np.prod(shape, dtype=np.int64))
    data = np.array([(17 * i + len(name)) % 251 for i in range(count)], np.uint8)
    kept_alive.append(data)
    return safetensors.TensorSpec(dtype=name, shape=shape, data_ptr=data.ctypes.data, data_len=count)


def write(name, tensors, metadata={"format": "pt"}):
    (HERE / f"{name}.safetensors").write_bytes(safetensors.serialize(tensors, metadata))


def main():
    HERE.mkdir(exist_ok=True)
    tensors = {f"t.{name}": entry(name, [3, 5]) for name in TYPES}
    tensors |= {name: entry("float16", [3]) for name in ODD_NAMES}
    tensors |= {"scalar": entry("float32", []), "empty": entry("int64", [0, 7]), "also_empty": entry("float16", [4, 0])}
    write("types_and_names", tensors)

    module = "model.layers.0.mlp.down_proj"
    tensors = {f"{module}.qweight": entry("int32", [12, 32]), f"{module}.qzeros": entry("int32", [3, 4]),
               f"{module}.scales": entry("float16", [3, 32]), f"{module}.g_idx": entry("int32", [96]),
               f"{module}.bias": entry("float16", [32]), "model.norm.weight": entry("bfloat16", [96])}
    write("packed_module", tensors)

    write("no_metadata", {"x": entry("uint8", [5])}, None)
    write("no_tensors", {})


if __name__ == "__main__":
    main()
