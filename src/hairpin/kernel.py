"""Compiled kernels: one decorator, so that the rest of the code stays strictly typed."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar, cast

from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.extending import intrinsic

F = TypeVar("F", bound=Callable[..., object])


def compiled(function: F) -> F:
    """Compile `function` with numba; machine code is cached beside its source file.

    The first call in a new installation compiles (seconds); `hairpin warm` does it ahead of time.
    `nogil` lets other threads run meanwhile.
    """
    return cast(F, _stamped(njit(cache=True, nogil=True)(function)))


def inlined(function: F) -> F:
    """Compile `function` for use inside other kernels only."""
    return cast(F, _stamped(njit(cache=True, nogil=True, inline="always")(function)))


def _stamped(kernel: Any) -> Any:
    """Let the cache notice changes of all kernels that this one may call.

    Machine code contains the kernels that it calls, from whatever file, but numba looks for changes
    in its own file only: old and new array indices could meet in code that writes through
    addresses. There is no public way to say so; a test fails when this one stops to work.
    """
    root = Path(kernel.py_func.__code__.co_filename).parent
    while (root.parent / "__init__.py").is_file():
        root = root.parent
    index = kernel._cache._cache_file
    index._source_stamp = (index._source_stamp, _sources(root), _sources(Path(__file__).parent))
    return kernel


@lru_cache
def _sources(root: Path) -> str:
    """Names all sources of kernels below a directory."""
    texts = (path.read_bytes() for path in sorted(root.rglob("*.py")))
    return sha256(b"".join(text for text in texts if b"hairpin.kernel" in text)).hexdigest()


def _prefetch(_: object, array: Any, index: Any) -> tuple[Any, Callable[..., Any]]:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, arguments[0])
        place = builder.bitcast(builder.gep(view.data, [arguments[1]]), ir.IntType(8).as_pointer())
        word = ir.IntType(32)
        shape = ir.FunctionType(ir.VoidType(), [place.type, word, word, word])
        instruction = builder.module.declare_intrinsic("llvm.prefetch", [place.type], shape)
        # 1: for writing, 3: into the nearest cache, 1: data.
        builder.call(instruction, [place, word(1), word(3), word(1)])
        return context.get_dummy_value()

    return types.void(array, index), generate


prefetch = cast(Callable[[Any, Any], None], intrinsic(_prefetch))
"""`prefetch(array, index)` in a kernel: this element of a contiguous 1-d array is needed soon."""
