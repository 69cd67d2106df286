"""Quantization settings under the names and with the defaults of AutoGPTQ and of GPTQModel."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from gptq import _core
from gptq.checks import flag, integer, number

_BITS = (2, 3, 4, 8)
# Names of settings in files and dictionaries of other tools.
_OTHER_NAMES = {
    "w_bit": "bits",
    "q_group_size": "group_size",
    "format": "checkpoint_format",
    "method": "quant_method",
}
_FORMATS = {"gptq": "gptq", "gptq_v2": "gptq_v2", None: ""}


@dataclass
class _QuantizeSettings:
    """What both classes have. Fields may be changed until quantize() is called, which checks them again."""

    bits: int = 4
    group_size: int = 128
    damp_percent: float = 0.01
    desc_act: bool = False
    static_groups: bool = False
    sym: bool = True
    true_sequential: bool = True
    quant_method: str = "gptq"

    def __post_init__(self) -> None:
        self._check()

    def _check(self) -> None:
        integer("bits", self.bits, 0, 64)
        integer("group_size", self.group_size, -1)
        for name in ("desc_act", "static_groups", "sym", "true_sequential"):
            flag(name, getattr(self, name))
        number("damp_percent", self.damp_percent)
        if self.bits not in _BITS:
            raise ValueError(f"only support quantize to {list(_BITS)} bits, found {self.bits!r}")
        if self.group_size != -1 and self.group_size not in (16, 32, 64, 128, 256, 512, 1024):
            raise ValueError(
                f"group_size is {self.group_size!r}, expected -1 (one group per row) or a power of two from 16 to 1024"
            )
        if not 0 < self.damp_percent < 1:
            raise ValueError(f"damp_percent is {self.damp_percent!r}, expected a number above 0 and below 1")
        if str(self.quant_method) != "gptq":
            raise ValueError(f"quant_method is {self.quant_method!r}, expected 'gptq'")

    def to_dict(self) -> dict[str, Any]:
        """The settings as a dictionary, as quantize_config.json holds them."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_quant_config(cls, quantize_cfg: Mapping[str, Any], format: str | None = None) -> Any:
        """The settings of a dictionary such as "quantization_config" of config.json. Keys of other tools are ignored."""
        known = {field.name for field in fields(cls)}
        names = _OTHER_NAMES
        values: dict[str, Any] = {}
        for key, value in quantize_cfg.items():
            name = key if key in known else names.get(key, key)
            if name in known and value is not None:
                values[name] = value
        if format is not None and "checkpoint_format" in known:
            values["checkpoint_format"] = format
        return cls(**values)

    @classmethod
    def refuse_misspelled(cls, settings: Mapping[str, Any]) -> None:
        """Raises ValueError for a key that is nearly one of the settings."""
        known = [field.name for field in fields(cls)]
        for key in settings:
            if key in known or key in _OTHER_NAMES:
                continue
            if close := difflib.get_close_matches(str(key), known, 1, 0.85):
                raise ValueError(f"quantize_config has the key {key!r}; did you mean {close[0]!r}?")

    @classmethod
    def from_pretrained(cls, save_dir: str | os.PathLike[str], **kwargs: Any) -> Any:
        """Reads the settings of a quantized model from its folder, or from the Hub by name.

        Raises FileNotFoundError when it has none. ``kwargs`` are those of snapshot_download.
        """
        from gptq import hub
        from gptq.modeling import read_json

        folder = hub.folder_of(save_dir, files=("*config.json",), **kwargs)
        for name in ("quantize_config.json", "quant_config.json", "config.json"):
            path = os.path.join(folder, name)
            if not os.path.exists(path):
                continue
            found = read_json(path)
            values = found if name != "config.json" else found.get("quantization_config")
            if values:
                return cls.from_quant_config(values)
        raise FileNotFoundError(
            f"reading quantization settings from {folder}: found none in quantize_config.json and config.json; "
            "the model is not quantized"
        )

    def save_pretrained(self, save_dir: str | os.PathLike[str], **kwargs: Any) -> None:
        """Writes quantize_config.json into a folder, which is created if needed."""
        del kwargs
        os.makedirs(save_dir, exist_ok=True)
        with open(os.path.join(save_dir, "quantize_config.json"), "w", encoding="utf-8") as file:
            json.dump(self.to_dict(), file, indent=2)
            file.write("\n")

    def _options(self) -> _core.QuantizeOptions:
        """The native options, without model, output, and calibration text."""
        self._check()
        options = _core.QuantizeOptions()
        grid = options.grid
        grid.bits, grid.group_size, grid.sym = self.bits, self.group_size, self.sym
        grid.desc_act, grid.static_groups = bool(self.desc_act), bool(self.static_groups)
        options.grid = grid
        options.damp = self.damp_percent
        options.true_sequential = self.true_sequential
        if not self.true_sequential:
            options.gptaq = 0.0  # GPTAQ needs the quantized inputs
        return options


@dataclass
class BaseQuantizeConfig(_QuantizeSettings):
    """Settings with the defaults of AutoGPTQ: one group per row (-1) and columns by activation (desc_act).

    bits: 2, 3, 4 or 8. group_size: input columns that share a scale, or -1. damp_percent: share of the mean of the
    Hessian's diagonal that is added to it. sym: symmetric grids. true_sequential: later linears of a layer see the
    outputs of the quantized earlier ones. checkpoint_format: "gptq" or "gptq_v2". Raises ValueError for other values.
    """

    group_size: int = -1
    desc_act: bool = True
    checkpoint_format: str | None = "gptq"
    model_name_or_path: str | None = None
    model_file_base_name: str | None = None

    def _options(self) -> _core.QuantizeOptions:
        options = super()._options()
        if self.checkpoint_format not in _FORMATS:
            raise ValueError(f"checkpoint_format is {self.checkpoint_format!r}, expected 'gptq' or 'gptq_v2'")
        # AutoGPTQ's default "gptq" says nothing about asymmetric grids, which need "gptq_v2" in most readers.
        options.format = "" if not self.sym and self.checkpoint_format == "gptq" else _FORMATS[self.checkpoint_format]
        return options


@dataclass
class QuantizeConfig(_QuantizeSettings):
    """Settings with the names and defaults of GPTQModel: groups of 128 columns in their order.

    In addition to BaseQuantizeConfig: ``format`` is its checkpoint_format; ``dynamic`` maps regular expressions of module
    names to other settings ({"bits": 8, "group_size": 32}), or to False or with the prefix "-:" to leave the modules
    unquantized; ``act_group_aware`` orders columns by activation within groups; ``mse`` above 0 chooses scales by plain
    squared error instead of the Hessian's; ``gptaq`` is the strength of GPTAQ from 0 to 1, None for 1.
    """

    damp_percent: float = 0.05
    damp_auto_increment: float | None = None
    act_group_aware: bool | None = None
    dynamic: dict[str, Any] | None = None
    lm_head: bool = False
    format: str = "gptq"
    mse: float = 0.0
    gptaq: float | None = None
    pack_dtype: str = "int32"
    meta: dict[str, Any] | None = None

    def _check(self) -> None:
        super()._check()
        if number("mse", self.mse) < 0:
            raise ValueError(f"mse is {self.mse}, expected 0 or more")
        if self.dynamic is not None and not isinstance(self.dynamic, Mapping):
            raise TypeError(f"dynamic is {self.dynamic!r}, expected a dictionary of patterns and settings")
        if self.lm_head:
            raise ValueError("lm_head=True: quantizing the output head is not supported; leave it in 16 bits")
        if str(self.pack_dtype) not in ("int32", "torch.int32"):
            raise ValueError(f"pack_dtype is {self.pack_dtype!r}, expected 'int32'")
        if str(self.format) not in ("gptq", "gptq_v2"):
            raise ValueError(f"format is {self.format!r}, expected 'gptq' or 'gptq_v2'")

    def _options(self) -> _core.QuantizeOptions:
        options = super()._options()
        grid = options.grid
        grid.group_aware = self.act_group_aware is not False
        grid.clip = "mse" if self.mse > 0 else "hessian"
        options.grid = grid
        if self.gptaq is not None:
            options.gptaq = float(self.gptaq)
        options.format = "" if not self.sym and self.format == "gptq" else str(self.format)
        options.rules = [_rule(pattern, value) for pattern, value in (self.dynamic or {}).items()]
        return options


GPTQConfig = QuantizeConfig


def _rule(pattern: str, value: Any) -> _core.ModuleRule:
    """A native rule for one entry of ``dynamic``."""
    rule = _core.ModuleRule()
    rule.skip = value is False or pattern.startswith("-:")
    rule.pattern = pattern[2:] if pattern[:2] in ("+:", "-:") else pattern
    if rule.skip:
        return rule
    if not isinstance(value, Mapping):
        raise ValueError(f"dynamic[{pattern!r}] is {value!r}, expected a dictionary of settings or False")
    for key, setting in value.items():
        if key not in ("bits", "group_size", "sym", "desc_act"):
            raise ValueError(f"dynamic[{pattern!r}] has {key!r}, expected bits, group_size, sym or desc_act")
        setattr(rule, key, setting)
    return rule
