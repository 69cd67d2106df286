"""The safetensors file that the reference writer makes, with its metadata in sorted order.

The reference keeps metadata in a hash map, so two strings or more come out in a different order on every run.
"""
import json


def sorted_metadata(data):
    """The bytes of a safetensors file with the metadata keys sorted; nothing else changes."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    if "__metadata__" in header:
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data[8 + length :]
