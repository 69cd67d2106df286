"""Our tokenizer beside the `tokenizers` library: same files, same text, one thread, turn by turn in one run.

    $(tests/interop/venv.sh) bench/compare_tokenizers.py build/release/bench/text_bench [FOLDER]

Trains tokenizers of three kinds on the calibration text and Python's own sources (FOLDER keeps them for the next run), and prints
one row for each kind of text. Theirs is the fastest of `encode`, `encode_batch` and `encode_batch_fast`; ours is text_bench.
"""
import gzip
import json
import os
import pathlib
import subprocess
import sys
import sysconfig
import tempfile
import time

os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[1]
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def sources(megabytes):
    """Python's library, in a fixed order."""
    texts, size = [], 0
    for root in (sysconfig.get_path("stdlib"), sysconfig.get_path("purelib")):
        for path in sorted(pathlib.Path(root).rglob("*.py")):
            text = path.read_text(errors="ignore")
            texts.append(text)
            size += len(text)
            if size > megabytes * 1e6:
                return texts
    return texts


def byte_level(size):
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(LLAMA3), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer, trainers.BpeTrainer(vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)


def whole_prompt(size):
    """Trained word by word, then used as Mistral and Gemma do: the prompt is one word."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    return tokenizer, trainers.BpeTrainer(vocab_size=size, special_tokens=special, limit_alphabet=2000, show_progress=False)


def make(folder, kind, size, corpus):
    path = folder / f"{kind}-{size}" / "tokenizer.json"
    if not path.exists():
        tokenizer, trainer = (byte_level if kind == "byte_level" else whole_prompt)(size)
        tokenizer.train_from_iterator(corpus(), trainer)
        if kind == "gemma":
            tokenizer.normalizer = normalizers.Replace(" ", "▁")
            tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
        elif kind == "metaspace":
            tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
        data = json.loads(tokenizer.to_str())
        if kind != "byte_level":  # byte tokens are vocabulary, not text to search for
            data["added_tokens"] = data["added_tokens"][:3]
            data["decoder"] = {"type": "Sequence", "decoders": [
                {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}]}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(data, ensure_ascii=False))
    return path


def best(body, seconds=1.0):
    times, begin = [], time.perf_counter()
    while len(times) < 3 or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        body()
        times.append(time.perf_counter() - start)
    return min(times)


def main():
    program = sys.argv[1]
    folder = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else tempfile.mkdtemp())
    prose = gzip.decompress((ROOT / "data" / "calibration.txt.gz").read_bytes()).decode()
    code = "\n".join(sources(60))
    texts = {"prose": prose[:1_000_000], "code": code[-1_000_000:]}
    corpus = lambda: [prose, *sources(60)]  # noqa: E731
    print("| tokenizer | vocabulary | text | theirs, MB/s | ours, MB/s | ratio | the first time | lines: theirs | ours | ratio | load: theirs, ms | ours, ms | ours, MB |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|---|")
    for kind, size in (("byte_level", 128_000), ("metaspace", 32_768), ("gemma", 262_144)):
        path = make(folder, kind, size, corpus)
        tokenizer = Tokenizer.from_file(str(path))
        load = best(lambda: Tokenizer.from_file(str(path)))
        for name, text in texts.items():
            file = path.parent / f"{name}.txt"
            file.write_text(text)
            lines = text.splitlines(keepends=True)
            theirs = min(best(lambda: tokenizer.encode(text)), best(lambda: tokenizer.encode_batch_fast([text])))
            by_line = min(best(lambda: tokenizer.encode_batch_fast(lines)), best(lambda: tokenizer.encode_batch(lines)))
            ours = json.loads(subprocess.run([program, path.parent, file, "--json"], check=True, capture_output=True).stdout)
            if ours["tokens"] != len(tokenizer.encode(text).ids):
                sys.exit(f"{kind}, {name}: {ours['tokens']} tokens, the library has {len(tokenizer.encode(text).ids)}")
            size_mb = len(text.encode()) / 1e6
            print(f"| {kind} | {tokenizer.get_vocab_size()} | {name} | {size_mb / theirs:.1f} | {size_mb / ours['whole_s']:.1f} | "
                  f"{theirs / ours['whole_s']:.1f} | {theirs / ours['first_s']:.1f} | {size_mb / by_line:.1f} | {size_mb / ours['lines_s']:.1f} | {by_line / ours['lines_s']:.1f} | "
                  f"{load * 1e3:.0f} | {ours['load_s'] * 1e3:.0f} | {ours['load_mb']:.0f} |", flush=True)


if __name__ == "__main__":
    main()
