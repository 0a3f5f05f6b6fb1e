"""Which library belongs to which process, and what of a wheel nobody runs."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

WINDOW_ONLY = {"pyside6-essentials", "pyqtgraph"}
WORKER_ONLY = {
    "python-calamine",
    "torch",
    "transformers",
    "tokenizers",
    "safetensors",
    "jinja2",
    "peft",
    "bitsandbytes",
    "accelerate",
    "datasets",
    "gguf",
    "schedulefree",
}
NEVER_IN_WINDOW = (
    "torch",
    "transformers",
    "tokenizers",
    "safetensors",
    "peft",
    "trl",
    "bitsandbytes",
    "accelerate",
    "datasets",
    "huggingface_hub",
    "pandas",
    "liger_kernel",
    "triton",
    "schedulefree",
    "gguf",
    "tkinter",
    "pytest",
    "setuptools",
    "pip",
    "IPython",
    "matplotlib",
    "scipy",
    "cupy",
    "h5py",
    "OpenGL",
    "readline",
    "curses",
)
"""Modules that PyInstaller must not follow, whatever the builder's environment holds."""

# Of Python's standard library; readline and gdbm also because they are GPL.
UNUSED_FOLDERS = ("test", "idlelib", "lib2to3", "ensurepip", "tkinter", "turtledemo", "site-packages", "__pycache__")
UNUSED_MODULES = re.compile(
    r"(_tkinter|readline|_gdbm|_dbm|nis|_crypt|_curses|_curses_panel|ossaudiodev|spwd|_test\w*|xx\w*|_xx\w*|_ctypes_test)"
    r"\.(cpython|cp)"
)

# Of the wheels: what compiles against them, their own tests, and programs that we never start.
UNUSED_IN_WHEELS = (
    "torch/include",
    "torch/share",
    "torch/test",
    "torch/bin/protoc*",
    "torch/lib/*.a",
    "torch/lib/*.lib",
    "pyarrow/include",
    "pyarrow/src",
    "pyarrow/tests",
    "pandas/tests",
    "numpy/**/tests",
    "sympy/**/tests",
    "networkx/**/tests",
    "bin",
    # Arrow's own ways onto the network: flight, and file systems of clouds.
    "pyarrow/_flight*",
    "pyarrow/libarrow_flight*",
    "pyarrow/libarrow_python_flight*",
    "pyarrow/_s3fs*",
    "pyarrow/libarrow_s3*",
    "pyarrow/_gcsfs*",
    "pyarrow/_azurefs*",
    "pyarrow/_hdfs*",
)
_OTHER_DEVICES = ("bitsandbytes/libbitsandbytes_rocm*", "bitsandbytes/libbitsandbytes_xpu*")
UNUSED_IN_EDITION = {
    "cpu": (*_OTHER_DEVICES, "bitsandbytes/libbitsandbytes_cuda*"),
    "cuda": (
        *_OTHER_DEVICES,
        # For another CUDA than torch's, which is 13.
        "bitsandbytes/libbitsandbytes_cuda11*",
        "bitsandbytes/libbitsandbytes_cuda12*",
        # Between the computers of a cluster, by libraries (MPI, UCX, InfiniBand) that a desktop lacks.
        "nvidia/*/lib/libcufile_rdma.so*",
        "nvidia/nvshmem/lib/nvshmem_bootstrap_mpi.so*",
        "nvidia/nvshmem/lib/nvshmem_bootstrap_pmix.so*",
        "nvidia/nvshmem/lib/nvshmem_bootstrap_shmem.so*",
        "nvidia/nvshmem/lib/nvshmem_transport_*.so*",
    ),
}


def normal(requirement: str) -> str:
    """The name in a requirement, as package registries compare names."""
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    return re.sub(r"[-_.]+", "-", name.group() if name else "").lower()


def requirements(part: str, edition: str, pyproject: Path) -> list[str]:
    """Requirements of a process, "window" or "worker", as pyproject.toml declares them."""
    declared = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    foreign = WORKER_ONLY if part == "window" else WINDOW_ONLY
    wanted = [line for line in declared["dependencies"] if normal(line) not in foreign]
    if part == "worker" and edition == "cuda":
        wanted += declared["optional-dependencies"]["cuda"]
    return wanted
