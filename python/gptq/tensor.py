"""Tensors of token ids: those of torch where it is installed, else a small class over NumPy."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from typing import Any

import numpy as np


def has_torch() -> bool:
    """True when torch can be imported. Does not import it."""
    return importlib.util.find_spec("torch") is not None


def to_tensor(values: Any) -> Any:
    """A torch tensor where torch is installed, else a :class:`Tensor`, of int64.

    ``values``: an array, or nested lists of equal lengths. Raises ValueError for lists of different lengths.
    """
    array = np.ascontiguousarray(np.asarray(values, dtype=np.int64))
    if not has_torch():
        return Tensor(array)
    torch: Any = importlib.import_module("torch")
    return torch.from_numpy(array)


class Tensor:
    """Integers of any shape with the interface of a torch tensor that scripts use for token ids.

    The values are always in host memory: ``to``, ``cuda`` and ``cpu`` only record the device, because the model reads
    token ids from host memory. Indexing returns a Tensor, also for one number: ``.item()`` or ``int()`` converts it.
    """

    __slots__ = ("_array", "_device")
    __hash__ = None  # type: ignore[assignment]
    __array_priority__ = 100

    def __init__(self, values: Any, device: str = "cpu") -> None:
        """``values``: an array or nested lists. They are converted to int64, or to bool when they are of this type."""
        array = np.asarray(values)
        self._array = array if array.dtype == np.bool_ else array.astype(np.int64, copy=False)
        self._device = device

    # ---- shape and type

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self._array.shape)

    @property
    def ndim(self) -> int:
        return self._array.ndim

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._array.dtype

    @property
    def device(self) -> str:
        """The recorded device: "cpu", "cuda:0" ..."""
        return self._device

    @property
    def is_cuda(self) -> bool:
        return self._device.startswith("cuda")

    @property
    def T(self) -> Tensor:
        return self._like(self._array.T)

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of one dimension."""
        return self.shape if dim is None else self.shape[dim]

    def dim(self) -> int:
        return self._array.ndim

    def numel(self) -> int:
        return int(self._array.size)

    def __len__(self) -> int:
        return len(self._array)

    # ---- devices and conversions

    def to(self, device: Any = None, *args: Any, **kwargs: Any) -> Tensor:
        """A tensor of the same values that records the device: "cuda:0", 0 or an object that prints as one.

        Types of numbers are accepted and ignored: token ids stay int64.
        """
        del args, kwargs
        if device is None or not _is_device(device):
            return self
        name = f"cuda:{device}" if isinstance(device, int) else str(device)
        return Tensor(self._array, name)

    def cpu(self) -> Tensor:
        return Tensor(self._array, "cpu")

    def cuda(self, device: int | str | None = None) -> Tensor:
        return self.to("cuda:0" if device is None else device)

    def long(self) -> Tensor:
        return self._like(self._array.astype(np.int64))

    def clone(self) -> Tensor:
        return self._like(self._array.copy())

    def detach(self) -> Tensor:
        return self

    def contiguous(self) -> Tensor:
        return self._like(np.ascontiguousarray(self._array))

    def numpy(self) -> np.ndarray[Any, np.dtype[Any]]:
        """The array itself, not a copy."""
        return self._array

    def tolist(self) -> Any:
        return self._array.tolist()

    def item(self) -> Any:
        """The only number. Raises ValueError when there are several."""
        return self._array.item()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, np.dtype[Any]]:
        array = self._array if dtype is None else self._array.astype(dtype)
        return array.copy() if copy and array is self._array else array

    def __dlpack__(self, **kwargs: Any) -> Any:
        return self._array.__dlpack__(**kwargs)

    def __dlpack_device__(self) -> tuple[int, int]:
        device: tuple[int, int] = self._array.__dlpack_device__()
        return device

    def __int__(self) -> int:
        return int(self._array.item())

    __index__ = __int__

    def __bool__(self) -> bool:
        return bool(self._array.item())

    # ---- elements

    def __getitem__(self, index: Any) -> Tensor:
        return self._like(self._array[_plain(index)])

    def __setitem__(self, index: Any, value: Any) -> None:
        self._array[_plain(index)] = np.asarray(value)

    def __iter__(self) -> Iterator[Tensor]:
        return (self._like(row) for row in self._array)

    def __contains__(self, value: Any) -> bool:
        return bool((self._array == _plain(value)).any())

    # ---- arithmetic

    def view(self, *shape: Any) -> Tensor:
        return self.reshape(*shape)

    def reshape(self, *shape: Any) -> Tensor:
        return self._like(self._array.reshape(*shape))

    def squeeze(self, dim: int | None = None) -> Tensor:
        return self._like(self._array.squeeze(dim))

    def unsqueeze(self, dim: int) -> Tensor:
        return self._like(np.expand_dims(self._array, dim))

    def flatten(self) -> Tensor:
        return self._like(self._array.reshape(-1))

    def ne(self, other: Any) -> Tensor:
        return self != other  # type: ignore[no-any-return]

    def eq(self, other: Any) -> Tensor:
        return self == other  # type: ignore[no-any-return]

    def sum(self, dim: int | None = None) -> Tensor:
        return self._like(self._array.sum(axis=dim))

    def all(self) -> Tensor:
        return self._like(self._array.all())

    def any(self) -> Tensor:
        return self._like(self._array.any())

    def __eq__(self, other: Any) -> Any:
        return self._like(self._array == _plain(other))

    def __ne__(self, other: Any) -> Any:
        return self._like(self._array != _plain(other))

    def __lt__(self, other: Any) -> Tensor:
        return self._like(self._array < _plain(other))

    def __le__(self, other: Any) -> Tensor:
        return self._like(self._array <= _plain(other))

    def __gt__(self, other: Any) -> Tensor:
        return self._like(self._array > _plain(other))

    def __ge__(self, other: Any) -> Tensor:
        return self._like(self._array >= _plain(other))

    def __and__(self, other: Any) -> Tensor:
        return self._like(self._array & _plain(other))

    def __or__(self, other: Any) -> Tensor:
        return self._like(self._array | _plain(other))

    def __invert__(self) -> Tensor:
        return self._like(~self._array)

    def __mul__(self, other: Any) -> Tensor:
        return self._like(self._array * _plain(other))

    def __add__(self, other: Any) -> Tensor:
        return self._like(self._array + _plain(other))

    def __sub__(self, other: Any) -> Tensor:
        return self._like(self._array - _plain(other))

    def __repr__(self) -> str:
        text = np.array2string(self._array, separator=", ", prefix="tensor(")
        return f"tensor({text})" if self._device == "cpu" else f"tensor({text}, device='{self._device}')"

    def __reduce__(self) -> Any:
        return Tensor, (self._array, self._device)

    def _like(self, array: Any) -> Tensor:
        return Tensor(array, self._device)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_plain(part) for part in value)
    return value._array if isinstance(value, Tensor) else value


def _is_device(value: Any) -> bool:
    if isinstance(value, int):
        return True
    return str(value).split(":")[0] in ("cpu", "cuda", "meta", "mps")
