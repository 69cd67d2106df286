"""The Tensor that stands in for torch's."""

import pickle

import numpy as np
import pytest

from gptq import Tensor
from gptq.batch_encoding import BatchEncoding
from gptq.tensor import has_torch, to_tensor


@pytest.fixture
def tensor():
    return Tensor([[1, 2, 3], [4, 5, 6]])


def test_shape_and_type(tensor):
    assert tensor.shape == (2, 3) and tensor.size() == (2, 3) and tensor.size(1) == 3 and tensor.size(-1) == 3
    assert len(tensor) == 2 and tensor.dim() == tensor.ndim == 2 and tensor.numel() == 6
    assert tensor.dtype == np.int64
    assert tensor.tolist() == [[1, 2, 3], [4, 5, 6]]


def test_devices_are_recorded(tensor):
    moved = tensor.to("cuda:0")
    assert moved.device == "cuda:0" and moved.is_cuda and moved[0].device == "cuda:0"
    assert tensor.device == "cpu" and moved.cpu().device == "cpu"
    assert tensor.cuda().device == "cuda:0" and tensor.cuda(1).device == "cuda:1" and tensor.to(0).device == "cuda:0"
    assert tensor.to(device="cuda:0", non_blocking=True).device == "cuda:0"
    assert tensor.to(np.int32).dtype == np.int64


def test_elements(tensor):
    assert tensor[0].tolist() == [1, 2, 3] and tensor[0, 1].item() == 2 and int(tensor[1][2]) == 6
    assert tensor[:, 1:].tolist() == [[2, 3], [5, 6]] and tensor[0][tensor.shape[1] - 1 :].tolist() == [3]
    assert [row.tolist() for row in tensor] == tensor.tolist()
    assert tensor[tensor > 4].tolist() == [5, 6] and tensor[~(tensor >= 2)].tolist() == [1]
    assert [1, 2, 3][tensor[0, 0]] == 2
    assert 6 in tensor and 7 not in tensor
    with pytest.raises(ValueError):
        tensor.item()


def test_comparisons_and_arithmetic(tensor):
    assert (tensor == 2).tolist() == [[False, True, False], [False, False, False]]
    assert (tensor == tensor).all() and not tensor.ne(tensor).any()
    assert (tensor + 1).tolist()[0] == [2, 3, 4] and tensor.sum().item() == 21 and tensor.sum(1).tolist() == [6, 15]
    assert tensor.T.shape == (3, 2) and tensor.view(-1).shape == (6,) and tensor.unsqueeze(0).shape == (1, 2, 3)


def test_other_libraries_read_it(tensor):
    assert np.asarray(tensor).tolist() == tensor.tolist()
    assert np.from_dlpack(tensor).tolist() == tensor.tolist()
    assert tensor.numpy() is tensor.numpy()
    assert pickle.loads(pickle.dumps(tensor.to("cuda:0"))).device == "cuda:0"
    assert repr(tensor.to("cuda:0")[0]) == "tensor([1, 2, 3], device='cuda:0')"


@pytest.mark.skipif(has_torch(), reason="torch makes its own tensors")
def test_batches_of_tensors(tokenizer):
    tokenizer.pad_token = "</s>"
    encoded = tokenizer(["a", "a b c"], return_tensors="pt", padding=True)
    assert isinstance(encoded.input_ids, Tensor) and encoded.input_ids.shape == encoded.attention_mask.shape
    assert encoded.to("cuda:0") is encoded and encoded["input_ids"].device == "cuda:0"
    assert tokenizer.decode(encoded["input_ids"], skip_special_tokens=True) == ["a", "a b c"]
    assert tokenizer.pad([{"input_ids": [1]}, {"input_ids": [1, 2]}], return_tensors="pt")["input_ids"].shape == (2, 2)
    assert BatchEncoding({"x": [[1], [2]]}, tensor_type="pt")["x"].shape == (2, 1)
    assert isinstance(to_tensor([[1]]), Tensor)
    empty = tokenizer("", add_special_tokens=False, return_tensors="pt")
    assert empty.input_ids.shape == (1, 0) and empty.input_ids.dtype == np.int64
