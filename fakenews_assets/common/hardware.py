"""Properties of the machine: usable processors, bfloat16 arithmetic."""

import os
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Final, Literal

Accelerator = Literal["auto", "cpu", "gpu", "mps"]

_CGROUP_CPU_QUOTA: Final = Path("/sys/fs/cgroup/cpu.max")


def usable_cpus(quota_file: Path = _CGROUP_CPU_QUOTA) -> int:
    """Count the processors that this process may use, at least 1.

    A container often sees all processors of its host although its cgroup grants only a few, and one thread per
    visible processor is then slow. The result is the minimum of the affinity mask, the cgroup's quota and
    OMP_NUM_THREADS.

    Args:
        quota_file: cgroup v2 `cpu.max`: "<microseconds per period | max> <period>".
    """
    visible = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    share = os.environ.get("OMP_NUM_THREADS", "")
    if share.isdecimal() and int(share):
        visible = min(visible, int(share))
    if not quota_file.is_file():
        return visible
    quota, period = quota_file.read_text().split()
    if quota == "max":
        return visible
    return max(1, min(visible, int(quota) // int(period)))


def supports_bf16(accelerator: Accelerator = "auto") -> bool:
    """Tell whether bfloat16 is computed in hardware where Lightning's `accelerator` would run.

    Emulated bfloat16 is slower than float32, so it does not count. On x86 the instructions are AVX512_BF16 or
    AMX_BF16, on ARM the BF16 extension; torch reports all of them by name.
    """
    import torch  # seconds; who only counts processors need not wait for it

    if accelerator in ("auto", "gpu") and torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if accelerator == "mps" or (accelerator == "auto" and torch.backends.mps.is_available()):
        return False
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def limit_torch_threads() -> None:
    """Limit torch to the usable processors. A lower limit that was set before is kept."""
    import torch

    torch.set_num_threads(min(torch.get_num_threads(), usable_cpus()))


def bf16_pays(accelerator: Accelerator = "auto") -> bool:
    """Tell whether torch trains faster in bfloat16 than in float32 where `accelerator` would run.

    Having the instructions is not enough on a CPU: without AMX, some Intel processors multiply bfloat16 matrices
    at half the speed of float32 ones in torch 2.13, where some of AMD's double it. So the CPU is timed, once.
    """
    import torch

    if not supports_bf16(accelerator):
        return False
    if accelerator == "gpu" or (accelerator == "auto" and torch.cuda.is_available()):
        return True
    return _cpu_seconds("bfloat16") < _cpu_seconds("float32")


@cache
def _cpu_seconds(dtype: str) -> float:
    """Fastest of several matrix products in the shape of a small encoder's (a fifth of a second)."""
    import torch

    rows = torch.randn(1024, 384).to(getattr(torch, dtype))
    weights = torch.randn(1536, 384).to(getattr(torch, dtype))
    seconds = []
    with torch.inference_mode():
        for _ in range(12):
            begin = perf_counter()
            torch.nn.functional.linear(rows, weights)
            seconds.append(perf_counter() - begin)
    return min(seconds)
