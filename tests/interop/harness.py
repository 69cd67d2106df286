"""What every check uses: counting results, and calling the two programs under test."""
import contextlib
import json
import pathlib
import subprocess
import tempfile
import traceback

import numpy as np
import safetensors.numpy

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEMO = ROOT / "models" / "demo"
GOLDEN = ROOT / "tests" / "golden"
TOLERANCE = 1e-3  # of the largest |logit|


class Report:
    def __init__(self):
        self.passed = self.failed = 0

    def check(self, name, ok, detail=""):
        self.passed += bool(ok)
        self.failed += not ok
        print(f"{'ok  ' if ok else 'FAIL'} {name}" + (f": {detail}" if detail else ""), flush=True)

    @contextlib.contextmanager
    def case(self, name):
        """Turns an exception inside into one failure, so that the other checks still run."""
        try:
            yield
        except Exception as error:
            self.check(name, False, f"{type(error).__name__}: {error}")
            if not isinstance(error, ToolFailed):
                traceback.print_exc()

    def same_logits(self, name, ours, theirs):
        if ours.shape != theirs.shape:
            return self.check(name, False, f"shape {ours.shape}, expected {theirs.shape}")
        worst, largest = np.abs(ours - theirs).max(), np.abs(theirs).max()
        self.check(name, worst <= TOLERANCE * largest, f"max |diff| {worst / largest:.1e} of max |logit|")


class ToolFailed(Exception):
    pass


def write_rows(path, key, values):
    """A file with one {key: value} a line."""
    with open(path, "w") as file:
        file.writelines(json.dumps({key: value}) + "\n" for value in values)
    return path


class Tools:
    """The programs `gptq`, `dump_logits` and `check_stream`."""

    def __init__(self, gptq, dump_logits):
        self.gptq, self.dump_logits = pathlib.Path(gptq).resolve(), pathlib.Path(dump_logits).resolve()
        self.check_stream = self.dump_logits.with_name("check_stream")  # built beside it

    def run(self, program, *arguments, timeout=1800):
        result = subprocess.run([program, *map(str, arguments)], capture_output=True, timeout=timeout)
        if result.returncode != 0:
            command = " ".join([program.name, *map(str, arguments)])
            raise ToolFailed(f"`{command}` gave {result.returncode}: {result.stderr.decode(errors='replace')[-400:].strip()}")
        return result.stdout.decode()

    def jsonl(self, file, count, *arguments):
        """Runs gptq with `--jsonl FILE`, a file of `count` rows, and returns one parsed object for each."""
        lines = self.run(self.gptq, *arguments, "--jsonl", file).split("\n")
        answers = [json.loads(line) for line in lines if line]
        if len(answers) != count:
            raise ToolFailed(f"{len(answers)} answers to {count} rows")
        return answers

    def encode(self, folder, file, count, special=True, offsets=False):
        """Objects with "ids", and with "offsets" where asked for, of a file of {"text"} rows."""
        flags = [] if special else ["--no-special-tokens"]
        return self.jsonl(file, count, "tokenize", folder, *flags, *(["--offsets"] if offsets else []))

    def decode(self, folder, file, count, skip=False):
        flags = ["--skip-special-tokens"] if skip else []
        return [a["text"] for a in self.jsonl(file, count, "detokenize", folder, *flags)]

    def template(self, folder, messages, generate):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(messages, file)
            file.flush()
            flags = ["--add-generation-prompt"] if generate else []
            return self.run(self.gptq, "template", folder, "--messages", file.name, *flags)

    def logits(self, folder, ids):
        """fp32 [T, V]"""
        with tempfile.TemporaryDirectory() as scratch:
            source, target = pathlib.Path(scratch) / "ids.json", pathlib.Path(scratch) / "out.safetensors"
            source.write_text(json.dumps(ids))
            self.run(self.dump_logits, folder, source, target)
            return safetensors.numpy.load_file(target)["logits"]
