"""Our pulls and pushes beside huggingface_hub: same files, same Hub on loopback, turn by turn in one run.

    $(tests/interop/venv.sh) bench/compare_pull.py build/release [--folder DIR] [--files 4] [--megabytes 256] [--rate 0]

Prints one row for each direction: MB/s of the best of three runs into fresh caches below DIR, and processor seconds of the
client per GB. Ours is timed from the program's start to its end, hashing included; theirs from the call to its return,
without Python's start, over plain HTTP and Git LFS (the local Hub knows no Xet). --rate limits each connection of the storage to
so many MB/s, as storages do.
"""
import argparse
import json
import os
import pathlib
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time

THEIRS = """
import sys, time
import huggingface_hub
from huggingface_hub import HfApi
huggingface_hub.utils.disable_progress_bars()
action, folder, repo = sys.argv[1:]
start = time.perf_counter()
if action == "pull":
    huggingface_hub.snapshot_download(repo)
else:
    HfApi().create_repo(repo)
    HfApi().upload_folder(repo_id=repo, folder_path=folder)
print(time.perf_counter() - start)
"""


def make_files(folder, count, megabytes):
    source = random.Random(1)
    (folder / "config.json").write_text("{}")
    index = {}
    for number in range(1, count + 1):
        name = f"model-{number:05}-of-{count:05}.safetensors"
        block = source.randbytes(1 << 20)
        with open(folder / name, "wb") as out:
            for _ in range(megabytes * 1_000_000 // len(block)):
                out.write(block)
        index[f"weight.{number}"] = name
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))


def child_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run(command, environment):
    before, start = child_seconds(), time.perf_counter()
    done = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        sys.exit(f"{command[:4]} gave {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout, seconds, child_seconds() - before


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--folder", default=tempfile.gettempdir())
    parser.add_argument("--files", type=int, default=4)
    parser.add_argument("--megabytes", type=int, default=256)
    parser.add_argument("--rate", type=int, default=0)
    options = parser.parse_args()

    scratch = pathlib.Path(tempfile.mkdtemp(dir=options.folder))
    source = scratch / "source"
    source.mkdir()
    make_files(source, options.files, options.megabytes)
    size = sum(path.stat().st_size for path in source.iterdir())

    hub = subprocess.Popen([options.build / "tests/local_hub_main"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    endpoint = json.loads(hub.stdout.readline())["endpoint"]

    def tell(**command):
        hub.stdin.write(json.dumps(command) + "\n")
        hub.stdin.flush()
        return json.loads(hub.stdout.readline())

    tell(user="ann", token="hf_annbench", role="write")
    tell(commit="org/large", folder=str(source))
    tell(set="bytes_per_second", value=options.rate * 1_000_000)
    base = dict(os.environ, HF_ENDPOINT=endpoint, HF_TOKEN="hf_annbench", HF_HUB_DISABLE_TELEMETRY="1", HF_HUB_DISABLE_XET="1")
    best = {}
    for turn in range(3):
        for action in ("pull", "push"):
            for who in ("ours", "theirs"):
                home = scratch / "home"
                environment = dict(base, HF_HOME=str(home))
                # A push of what the Hub has seen sends nothing, so every push has bytes of its own.
                for path in sorted(source.glob("*.safetensors")) if action == "push" else []:
                    with open(path, "r+b") as out:
                        out.write(f"{who} {turn}".encode())
                repo = "org/large" if action == "pull" else f"ann/{who}-{turn}"
                ours = ["pull", repo, "-q"] if action == "pull" else ["push", source, repo, "-q", "--no-card"]
                command = [options.build / "gptq", *ours] if who == "ours" else [sys.executable, "-c", THEIRS, action, source, repo]
                out, seconds, processor = run(command, environment)
                seconds = seconds if who == "ours" else float(out)
                old = best.get((action, who), (1e9, 1e9))
                best[action, who] = (min(old[0], seconds), min(old[1], processor))
                shutil.rmtree(home, ignore_errors=True)
    shutil.rmtree(scratch)
    hub.stdin.close()
    hub.wait()

    print(f"{options.files} files of {options.megabytes} MB below {options.folder}, each connection at most {options.rate or 'any'} MB/s")
    for action in ("pull", "push"):
        (ours, our_work), (theirs, their_work) = best[action, "ours"], best[action, "theirs"]
        print(f"{action}: ours {size / ours / 1e6:.0f} MB/s, theirs {size / theirs / 1e6:.0f} MB/s, {theirs / ours:.2f} times; "
              f"processor seconds per GB {our_work / size * 1e9:.2f} and {their_work / size * 1e9:.2f}")


if __name__ == "__main__":
    main()
