"""GPTQ of one matrix in NumPy: the paper's algorithm 1 in float64, one column at a time, without any blocking.

Written from the paper (Frantar et al., arXiv 2210.17323), the definitions in src/backend/grid.h and
src/quantize/solver.h, and the table of ranges that a clip search tries. Rows are independent and run side by side.

A program that computes in float32 takes the same decisions unless one of them is almost a tie, so every decision
records its distance: `Result.doubtful` marks the rows in which rounding errors could have changed anything.

Letters: N outputs (rows of W), K inputs (columns), G groups.
"""
import dataclasses

import numpy as np

# How near to a tie a decision is called doubtful. The first two are in steps of the grid, for |w| up to 16 steps.
CODE_MARGIN = 1e-4      # codes that are stored, and zeros
TRIAL_MARGIN = 2e-5     # codes inside the trial of a candidate
HALF_MARGIN = 2e-3      # scales between two fp16 neighbours, in units of their distance
LOSS_MARGIN = 1e-4      # two candidates with nearly the same loss, relative
NEAR_LOSS = 1.10        # a doubtful candidate matters when its loss is within this factor of the best

# Clip search: both ends of the range are multiplied by SWEEP values from `most` down to `least`.
SWEEP = 24
RANGE = {2: (0.35, 1.5), 3: (0.5, 1.3), 4: (0.65, 1.15), 8: (0.9, 1.01)}   # bits: (least, most)
WALK = (0.08, 0.04, 0.02)  # asymmetric grids: three rounds of neighbours, steps as shares of most − least
FEEDBACK_LIMIT = 256       # columns; longer groups are tried without error feedback


@dataclasses.dataclass(frozen=True)
class Options:
    bits: int = 4
    group_size: int = -1            # -1: one group
    sym: bool = True
    order: str = "natural"          # "natural", "group_aware", "desc_act"
    static_groups: bool = False
    clip: str = "none"              # "none", "mse", "hessian"
    lowest_zero: int = 0
    damp: float = 0.01
    gptaq: float = 0.0

    @property
    def top(self):
        return (1 << self.bits) - 1


@dataclasses.dataclass
class Result:
    codes: np.ndarray     # [K, N] integers, columns in natural order
    scales: np.ndarray    # [G, N] values of fp16
    zeros: np.ndarray     # [G, N]
    g_idx: np.ndarray     # [K]
    doubtful: np.ndarray  # [N] bool


def to_half(x):
    """Positive values to fp16, between the least and the largest one, and where that was almost a tie."""
    half = x.astype(np.float16)
    half = np.clip(half, np.float16(2.0**-24), np.float16(65504))
    distance = np.abs(x - half.astype(np.float64)) / np.spacing(half).astype(np.float64)
    return half.astype(np.float64), np.abs(distance - 0.5) < HALF_MARGIN


def near_tie(r, low, high, margin):
    """Where r is almost half-way between two integers that still differ after clamping to [low, high]."""
    below = np.floor(r)
    close = np.abs(r - below - 0.5) < margin * np.maximum(1, np.abs(r) / 16)
    return close & (np.clip(below, low, high) != np.clip(below + 1, low, high))


def quantize(w, scale, zero, top, margin):
    """The nearest code and where that was almost a tie."""
    r = w / scale
    return np.clip(np.rint(r) + zero, 0, top), near_tie(r, -zero, top - zero, margin)


def grid_of_range(o, low, high):
    """Scale, zero and doubt for weights in [low, high] (grid.h)."""
    if o.sym:
        scale, doubt = to_half(2 * np.maximum(-low, high) / o.top)
        return scale, np.full_like(scale, (o.top + 1) // 2), doubt
    scale, doubt = to_half((high - low) / o.top)
    r = -low / scale
    return scale, np.clip(np.rint(r), o.lowest_zero, o.top), doubt | near_tie(r, o.lowest_zero, o.top, CODE_MARGIN)


def trial(o, w, u, scale, zero):
    """The loss of each candidate grid [C, N] on w [N, count], and where a decision in it was almost a tie."""
    weighted = o.clip == "hessian"
    feedback = weighted and w.shape[1] <= FEEDBACK_LIMIT
    w = np.repeat(w[None], len(scale), axis=0)
    loss, doubt = np.zeros(scale.shape), np.zeros(scale.shape, bool)
    for j in range(w.shape[2]):
        code, tie = quantize(w[:, :, j], scale, zero, o.top, TRIAL_MARGIN)
        error = w[:, :, j] - scale * (code - zero)
        if weighted:
            error = error / u[j, j]
        loss += error**2
        if feedback:
            w[:, :, j + 1 :] -= error[:, :, None] * u[j, j + 1 :]
        doubt |= tie
    return loss, doubt


def choose(scale, zero, loss, doubt):
    """The first candidate of least loss in each row -> scale, zero, loss, and whether the choice is doubtful."""
    rows = np.arange(scale.shape[1])
    best = loss.argmin(axis=0)
    least = loss[best, rows]
    # The same scale with another zero gives the same values until a code is clamped: an exact tie in any precision.
    other = (scale != scale[best, rows]) | (zero != zero[best, rows]) & (loss != least)
    unsure = (doubt & (loss <= least * NEAR_LOSS)).any(axis=0)
    unsure |= (other & (loss <= least * (1 + LOSS_MARGIN))).any(axis=0)
    return scale[best, rows], zero[best, rows], least, unsure


def find_grid(o, w, u):
    """Scale, zero and doubt of a group from its weights w [N, count]; u is the group's block of the factor."""
    low, high = np.minimum(w.min(axis=1), 0), np.maximum(w.max(axis=1), 0)
    empty = low == high
    low, high = np.where(empty, -1.0, low), np.where(empty, 1.0, high)
    if o.clip == "none":
        return grid_of_range(o, low, high)

    least, most = RANGE[o.bits]
    grids = [grid_of_range(o, low * p, high * p) for p in [1.0, *np.linspace(most, least, SWEEP)]]
    scale, zero, doubt = (np.array(part) for part in zip(*grids))
    loss, ties = trial(o, w, u, scale, zero)
    scale, zero, loss, unsure = choose(scale, zero, loss, doubt | ties)

    for share in () if o.sym else WALK:
        step = (most - least) * share
        scales, zeros, doubts = [], [], []
        for dz in (-1, 0, 1):
            for ds in (-1, 0, 1):
                if dz or ds:
                    half, doubt = to_half(scale * (1 + step * ds))
                    scales.append(half)
                    zeros.append(np.clip(zero + dz, o.lowest_zero, o.top))
                    doubts.append(doubt)
        scales, zeros = np.array(scales), np.array(zeros)
        losses, ties = trial(o, w, u, scales, zeros)
        scale, zero, loss, doubt = choose(np.vstack([scale[None], scales]), np.vstack([zero[None], zeros]),
                                          np.vstack([loss[None], losses]),
                                          np.vstack([np.zeros_like(unsure)[None], ties | np.array(doubts)]))
        unsure = unsure | doubt
    return scale, zero, unsure


def column_order(o, size, diagonal):
    """Processing order of the columns (solver.h). Equal values keep their order."""
    columns = list(range(len(diagonal)))
    if o.order == "desc_act":
        return sorted(columns, key=lambda c: -diagonal[c])
    if o.order == "group_aware":
        groups = [sorted(columns[i : i + size], key=lambda c: -diagonal[c]) for i in range(0, len(columns), size)]
        last = [groups.pop()] if len(columns) % size else []
        groups.sort(key=lambda group: -diagonal[group[0]])
        return [c for group in groups + last for c in group]
    return columns


def upper_factor(h):
    """U, upper triangular with h⁻¹ = Uᵀ·U."""
    return np.linalg.cholesky(np.linalg.inv(h)).T


def solve(weights, hessian, o, cross=None):
    """weights fp32 [N, K], hessian symmetric [K, K], cross [K, K] = Σ (x_original − x)·xᵀ."""
    w = weights.astype(np.float64)
    n, k = w.shape
    size = k if o.group_size == -1 else o.group_size
    groups = -(-k // size)
    diagonal = np.diag(hessian).copy()
    h = hessian.astype(np.float64) + o.damp * diagonal.mean() * np.eye(k)
    if o.gptaq:
        w = w + o.gptaq * w @ cross.astype(np.float64) @ np.linalg.inv(h)

    order = column_order(o, size, diagonal)
    scattered = o.order == "desc_act" and not o.static_groups
    group = [(j if scattered else column) // size for j, column in enumerate(order)]
    scales, zeros = np.zeros((groups, n)), np.zeros((groups, n))
    doubtful = np.zeros(n, bool)
    if o.static_groups:
        for g in range(groups):
            part = slice(g * size, min(k, (g + 1) * size))
            independent = np.diag(1 / np.sqrt(np.diag(h)[part]))
            scales[g], zeros[g], doubt = find_grid(o, w[:, part], independent)
            doubtful |= doubt

    u = upper_factor(h[np.ix_(order, order)])
    w = w[:, order]
    codes, g_idx = np.zeros((k, n), np.uint8), np.zeros(k, np.int32)
    for j, g in enumerate(group):
        if not o.static_groups and (j == 0 or group[j - 1] != g):
            end = j + group.count(g)
            scales[g], zeros[g], doubt = find_grid(o, w[:, j:end], u[j:end, j:end])
            doubtful |= doubt
        code, doubt = quantize(w[:, j], scales[g], zeros[g], o.top, CODE_MARGIN)
        doubtful |= doubt
        error = (w[:, j] - scales[g] * (code - zeros[g])) / u[j, j]
        w[:, j:] -= error[:, None] * u[j, j:]
        codes[order[j]], g_idx[order[j]] = code, g
    return Result(codes, scales, zeros, g_idx, doubtful)
