"""Makes tests/golden/gptq/: one small matrix quantized by gptq_reference.py under every combination of options."""
import concurrent.futures
import itertools
import pathlib
import sys

import numpy as np
import safetensors.numpy

HERE = pathlib.Path(__file__).parent
FOLDER = HERE / "gptq"
sys.path.insert(0, str(HERE.parent / "interop"))
import gptq_reference  # noqa: E402
import safetensors_bytes  # noqa: E402

POOL, ROWS, K, T = 256, 32, 160, 640   # rows to choose from, rows of a case, inputs, calibration tokens
ORDERS = ("natural", "group_aware", "desc_act")
CLIPS = ("none", "mse", "hessian")
GRIDS = ((True, 0), (False, 0), (False, 1))  # sym, lowest_zero
SIZES = (16, 32, 64, 128, -1)                # 160 inputs: with 64 and 128 the last group is short


def inputs():
    """Weights fp32 [POOL, K]; the Hessian and the cross matrix fp32 [K, K] of correlated inputs with outliers."""
    rng = np.random.default_rng(20221031)
    weights = rng.normal(0, 0.02, (POOL, K)) * np.exp(rng.normal(0, 0.5, (POOL, 1)))
    weights[rng.random((POOL, K)) < 0.01] *= 6
    weights[::4] = np.abs(weights[::4])    # all of one sign: a zero of 0 is the best, where the format has it
    mixing = np.eye(K) + 0.6 * rng.normal(0, K**-0.5, (K, K))
    channel = np.exp(rng.normal(0, 0.3, K))
    channel[rng.choice(K, 5, replace=False)] *= 6
    original = rng.normal(0, 1, (T, K)) @ mixing * channel
    x = original + 0.1 * rng.normal(0, 1, (T, K)) * channel + 0.05 * np.roll(original, 3, axis=1)
    # The solver reads the lower triangle; both are stored.
    hessian = (x.T @ x).astype(np.float32)
    hessian = np.tril(hessian) + np.tril(hessian, -1).T
    return weights.astype(np.float32), hessian, ((original - x).T @ x).astype(np.float32)


def cases():
    """(file, options), a few files of one bit width each."""
    for order, size, static, clip, (sym, zero) in itertools.product(ORDERS, SIZES, (False, True), CLIPS, GRIDS):
        yield f"4bit_{order}_{'all' if size == -1 else size}", gptq_reference.Options(
            4, size, sym, order, static, clip, zero)
    for bits in (2, 3, 8):  # sizes and static groups take turns
        for i, (order, clip, (sym, zero)) in enumerate(itertools.product(ORDERS, CLIPS, GRIDS)):
            yield f"{bits}bit", gptq_reference.Options(
                bits, SIZES[i % 5], sym, order, i // 5 % 2 == 1, clip, zero)
    for order, clip, sym, gptaq in itertools.product(ORDERS, ("none", "hessian"), (True, False), (0.5, 1.0)):
        yield "4bit_gptaq", gptq_reference.Options(
            4, 32, sym, order, False, clip, 0, damp=0.01 if gptaq == 1.0 else 0.1, gptaq=gptaq)


def name_of(o):
    grid = "sym" if o.sym else f"asym{o.lowest_zero}"
    words = [f"{o.bits}bit", f"g{o.group_size}".replace("-1", "all"), grid, o.order, o.clip]
    words += ["static"] if o.static_groups else []
    words += [f"gptaq{o.gptaq:g}"] if o.gptaq else []
    words += [f"damp{o.damp:g}"] if o.damp != 0.01 else []
    return "-".join(words)


def run(o):
    """The tensors of one case: the first ROWS rows of the pool in which no decision is near a tie."""
    weights, hessian, cross = inputs()
    result = gptq_reference.solve(weights, hessian, o, cross)
    safe = np.flatnonzero(~result.doubtful)
    assert len(safe) >= ROWS, f"{name_of(o)}: only {len(safe)} rows without a near tie"
    rows = safe[:ROWS]
    tensors = {
        "rows": rows.astype(np.uint8),
        "codes": result.codes[:, rows],
        "scales": result.scales[:, rows].astype(np.float16),
        "zeros": result.zeros[:, rows].astype(np.uint8),
        "g_idx": result.g_idx.astype(np.uint8),
    }
    assert np.array_equal(tensors["scales"], result.scales[:, rows])
    assert o.sym or tensors["zeros"].min() == o.lowest_zero
    text = " ".join([f"bits={o.bits}", f"group_size={o.group_size}", f"sym={int(o.sym)}", f"order={o.order}",
                     f"static_groups={int(o.static_groups)}", f"clip={o.clip}", f"lowest_zero={o.lowest_zero}",
                     f"damp={o.damp}", f"gptaq={o.gptaq}"])
    return {f"{name_of(o)}.{name}": np.ascontiguousarray(value) for name, value in tensors.items()}, text, len(safe)


def write(name, tensors, metadata):
    data = safetensors.numpy.save(tensors, metadata)
    (FOLDER / f"{name}.safetensors").write_bytes(safetensors_bytes.sorted_metadata(data) if metadata else data)


def main():
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.safetensors"):
        old.unlink()
    weights, hessian, cross = inputs()
    damped = hessian + 0.01 * np.diag(hessian).mean() * np.eye(K)
    print(f"condition number after damping: {np.linalg.cond(damped):.0f}")
    write("inputs_weights", {"weights": weights}, None)
    write("inputs_hessian", {"hessian": hessian}, None)
    write("inputs_cross", {"cross": cross}, None)

    files, metadata, fewest = {}, {}, POOL
    todo = list(cases())
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        for (file, o), (tensors, text, safe) in zip(todo, pool.map(run, [o for _, o in todo])):
            assert not files.get(file, {}).keys() & tensors.keys()
            files.setdefault(file, {}).update(tensors)
            metadata.setdefault(file, {})[name_of(o)] = text
            fewest = min(fewest, safe)
    for file, tensors in files.items():
        write(file, tensors, metadata[file])
    print(f"{len(todo)} cases in {len(files)} files; at least {fewest} of {POOL} rows were without a near tie")


if __name__ == "__main__":
    main()
