"""Our CPU speed beside llama.cpp's: the same shape with random weights, turn by turn in one run.

    python3 bench/compare_llama.py LLAMA_BIN [--build build/release] [--shapes mistral-7b:4,llama3.2-1b,qwen2.5-0.5b]
        [--threads 1,2] [--prompts 32,128,512] [--depths 1] [--batches 1,4] [--activations int16] [--rounds 3]
        [--folder DIR] [--json]

LLAMA_BIN is the folder of llama-bench and llama-batched-bench, of a build of your own. NAME:LAYERS takes that many layers
of bench/configs/NAME.json. Ours has 4 bits in groups of 128; llama.cpp's file is Q4_0 (4.5 bits) with the head in Q6_K, or
Q8_0 where the width is not a multiple of 256, as llama-quantize makes it. Random numbers are as fast as trained ones.
Prints for each test the medians of both in tokens per second, and the median of the ratios of neighbouring runs.
"""

import argparse
import json
import pathlib
import random
import statistics
import struct
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]

# ---- GGUF version 3 (github.com/ggml-org/ggml/blob/master/docs/gguf.md)

ALIGNMENT = 32
U32, F32, STRING = 4, 6, 8
# name: (type, elements of a block, bytes of a block, position of its fp16 scales)
KINDS = {"F32": (0, 1, 4, ()), "Q4_0": (2, 32, 18, (0,)), "Q8_0": (8, 32, 34, (0,)), "Q6_K": (14, 256, 210, (208,))}


def string(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def metadata(config, arch):
    heads = config["num_attention_heads"]
    head_dim = config.get("head_dim") or config["hidden_size"] // heads
    return {
        "general.architecture": arch,
        "tokenizer.ggml.model": "no_vocab",
        f"{arch}.vocab_size": config["vocab_size"],
        f"{arch}.block_count": config["num_hidden_layers"],
        f"{arch}.context_length": config["max_position_embeddings"],
        f"{arch}.embedding_length": config["hidden_size"],
        f"{arch}.feed_forward_length": config["intermediate_size"],
        f"{arch}.attention.head_count": heads,
        f"{arch}.attention.head_count_kv": config["num_key_value_heads"],
        f"{arch}.attention.key_length": head_dim,
        f"{arch}.attention.value_length": head_dim,
        f"{arch}.attention.layer_norm_rms_epsilon": float(config["rms_norm_eps"]),
        f"{arch}.rope.dimension_count": head_dim,
        f"{arch}.rope.freq_base": float(config["rope_theta"]),
    }


def tensors(config, arch):
    """(name, shape with the inputs first, kind) of every tensor."""
    width, inner, heads = config["hidden_size"], config["intermediate_size"], config["num_attention_heads"]
    head_dim = config.get("head_dim") or width // heads
    q, kv = heads * head_dim, config["num_key_value_heads"] * head_dim
    head_kind = "Q6_K" if width % 256 == 0 else "Q8_0"
    tied = config["tie_word_embeddings"]
    yield "token_embd.weight", (width, config["vocab_size"]), head_kind if tied else "Q4_0"
    if not tied:
        yield "output.weight", (width, config["vocab_size"]), head_kind
    yield "output_norm.weight", (width,), "F32"
    for i in range(config["num_hidden_layers"]):
        for name, shape in {
            "attn_q": (width, q), "attn_k": (width, kv), "attn_v": (width, kv), "attn_output": (q, width),
            "ffn_gate": (width, inner), "ffn_up": (width, inner), "ffn_down": (inner, width),
        }.items():  # fmt: skip
            yield f"blk.{i}.{name}.weight", shape, "Q4_0"
        for name in ("attn_norm", "ffn_norm"):
            yield f"blk.{i}.{name}.weight", (width,), "F32"
        if arch == "qwen2":
            for name, size in (("attn_q", q), ("attn_k", kv), ("attn_v", kv)):
                yield f"blk.{i}.{name}.bias", (size,), "F32"


def blocks(kind, elements):
    """Random blocks with scales of 0.01; for long tensors a mebibyte of them is repeated."""
    _, per_block, size, scales = KINDS[kind]
    if kind == "F32":
        return struct.pack("<f", 1.0) * elements
    count = elements // per_block
    distinct = bytearray(random.Random(count).randbytes(min(count, (1 << 20) // size) * size))
    for block in range(0, len(distinct), size):
        for at in scales:
            distinct[block + at : block + at + 2] = struct.pack("<e", 0.01)
    return bytes(distinct) * (count * size // len(distinct)) + bytes(distinct[: count * size % len(distinct)])


def write_gguf(path, config):
    arch = {"qwen2": "qwen2"}.get(config["model_type"], "llama")
    values, table = metadata(config, arch), list(tensors(config, arch))
    header = b"GGUF" + struct.pack("<IQQ", 3, len(table), len(values))
    for key, value in values.items():
        header += string(key)
        if isinstance(value, str):
            header += struct.pack("<I", STRING) + string(value)
        else:
            header += struct.pack("<If" if isinstance(value, float) else "<II", F32 if isinstance(value, float) else U32, value)
    offset, sizes = 0, []
    for name, shape, kind in table:
        type_id, per_block, size, _ = KINDS[kind]
        elements = shape[0] * (shape[1] if len(shape) == 2 else 1)
        header += string(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape)
        header += struct.pack("<IQ", type_id, offset)
        sizes.append(elements // per_block * size)
        offset += -(-sizes[-1] // ALIGNMENT) * ALIGNMENT
    with open(path, "wb") as file:
        file.write(header + bytes(-len(header) % ALIGNMENT))
        for (name, shape, kind), size in zip(table, sizes):
            file.write(blocks(kind, shape[0] * (shape[1] if len(shape) == 2 else 1)))
            file.write(bytes(-size % ALIGNMENT))


# ---- runs


def run(command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def models(args, shape):
    """Our folder and the GGUF file of a shape, made where they are missing."""
    name, _, layers = shape.partition(":")
    config = json.loads((ROOT / "bench/configs" / f"{name}.json").read_text())
    if layers:
        config["num_hidden_layers"] = int(layers)
    label = f"{name}-{config['num_hidden_layers']}-layers"
    ours, theirs = args.folder / f"{label}-w4g128", args.folder / f"{label}-q4_0.gguf"
    args.folder.mkdir(parents=True, exist_ok=True)
    if not ours.exists():
        run([args.build / "bench/make_model", ROOT / "bench/configs" / f"{name}.json", ours, "--packed", 4, "--group-size", 128]
            + (["--layers", layers] if layers else []))  # fmt: skip
    if not theirs.exists():
        write_gguf(theirs, config)
    return ours, theirs


def numbers(values):
    return ",".join(str(value) for value in values)


def our_rates(args, model, threads, tests):
    prompts, depths, batches = tests
    text = run([args.build / "gptq", "bench", model, "--device", "cpu", "--threads", threads, "--json", "-q", "--repeat", 1,
                "--activations", args.activations, "--tokens", args.tokens, "--prompt-lengths", numbers(prompts), "--depths", numbers(depths), "--batches", numbers(batches)])  # fmt: skip
    rates = {}
    for row in json.loads(text)["rows"]:
        rates[row["name"], row["batch"]] = row["tokens_per_second"]
    return rates


def their_rates(args, model, threads, tests):
    prompts, depths, batches = tests
    rates = {}
    for depth in depths:
        text = run([args.llama / "llama-bench", "-m", model, "-t", threads, "-r", 1, "-o", "json", "-n", args.tokens,
                    "-d", 0 if depth == 1 else depth, "-p", numbers(prompts) if depth == depths[0] else 0])  # fmt: skip
        for row in json.loads(text):
            prompt = row["n_prompt"]
            rates[(f"pp{prompt}" if prompt else f"tg{args.tokens}@d{depth}"), 1] = row["avg_ts"]
    for batch in batches:
        if batch == 1:
            continue
        text = run([args.llama / "llama-batched-bench", "-m", model, "-t", threads, "-c", 512 * batch, "-npp", 16,
                    "-ntg", args.tokens, "-npl", batch, "--output-format", "jsonl"])  # fmt: skip
        row = json.loads(next(line for line in text.splitlines() if line.startswith("{")))
        rates[f"tg{args.tokens}@d{depths[0]}", batch] = row["speed_tg"]
    return rates


def compare(args, shape, threads):
    ours, theirs = models(args, shape)
    tests = (args.prompts, args.depths, args.batches)
    rounds = []
    for _ in range(args.rounds):
        rounds.append((our_rates(args, ours, threads, tests), their_rates(args, theirs, threads, tests)))
    for test in rounds[0][0]:
        if test not in rounds[0][1]:
            continue
        name = test[0] if test[1] == 1 else f"{test[0]} x{test[1]}"
        ratio = [mine[test] / other[test] for mine, other in rounds]
        row = {"shape": shape, "threads": threads, "test": name, "ours": statistics.median(mine[test] for mine, _ in rounds),
               "llama.cpp": statistics.median(other[test] for _, other in rounds), "ratio": statistics.median(ratio), "ratios": ratio}  # fmt: skip
        if args.json:
            print(json.dumps(row), flush=True)
        else:
            print(f"{shape:16} {threads:7} {name:14} {row['ours']:9.2f} {row['llama.cpp']:9.2f} {row['ratio']:6.2f}  "
                  f"({', '.join(f'{value:.2f}' for value in ratio)})", flush=True)  # fmt: skip


def main():
    integers = lambda text: [int(part) for part in text.split(",")]  # noqa: E731
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("llama", type=pathlib.Path, metavar="LLAMA_BIN")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("--shapes", default="mistral-7b:4,llama3.2-1b,qwen2.5-0.5b")
    parser.add_argument("--threads", type=integers, default=[1, 2])
    parser.add_argument("--prompts", type=integers, default=[32, 128, 512])
    parser.add_argument("--depths", type=integers, default=[1])
    parser.add_argument("--batches", type=integers, default=[1, 4])
    parser.add_argument("--activations", default="int16", help="of ours: int16, int8")
    parser.add_argument("--tokens", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "build/compare_llama")
    parser.add_argument("--json", action="store_true", help="a JSON object for each row")
    args = parser.parse_args()
    if not args.json:
        print(f"{'shape':16} threads {'test':14} {'ours':>9} {'llama.cpp':>9} ratio   tokens per second; ratio of each round")
    for shape in args.shapes.split(","):
        for threads in args.threads:
            compare(args, shape, threads)


if __name__ == "__main__":
    main()
