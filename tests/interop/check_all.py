"""Runs every interop check (or those named) and prints `N passed, N failed`: check_all.py GPTQ DUMP_LOGITS [NAME…]"""
import importlib
import os
import pathlib
import sys

os.environ["TQDM_DISABLE"] = "1"  # bars of the tools checked against
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "golden"))
import harness  # noqa: E402

CHECKS = ["tokenizer", "formats", "template", "logits", "packed", "quantize", "gptqmodel", "hub"]


def main():
    gptq, dump_logits, *names = sys.argv[1:]
    report, tools = harness.Report(), harness.Tools(gptq, dump_logits)
    for name in names or CHECKS:
        with report.case(name):
            importlib.import_module(f"check_{name}").run(report, tools)
    print(f"{report.passed} passed, {report.failed} failed")
    return 1 if report.failed or not report.passed else 0


if __name__ == "__main__":
    sys.exit(main())
