"""Following tensors through a forward: what a function was given, and who put that out.

A forward runs on an image that has a shape and no numbers. Every function that it calls is seen with the tensors it was
given; of those that come from the image, and only of those, something is known.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from torch import Tensor
from torch.overrides import TorchFunctionMode

Known = TypeVar("Known")


class Following(TorchFunctionMode, Generic[Known]):
    """While it is entered, `called` has the functions that are given something of what is known."""

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[int, Known] = {}  # by a tensor's id
        self._kept: list[Any] = []  # so that no other gets its id

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        given = [tensor for tensor in tensors_in((*args, *kwargs.values())) if id(tensor) in self._known]
        if not given or getattr(func, "__name__", "") == "__get__":  # a property, such as a shape
            return func(*args, **kwargs)
        return self.called(func, args, kwargs, given)

    @abstractmethod
    def called(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], given: list[Tensor]) -> Any:
        """What `func` gives; `given` are those of its arguments of which something is known."""

    def known(self, tensor: Tensor) -> Known:
        return self._known[id(tensor)]

    def know(self, tensor: Tensor, known: Known) -> Tensor:
        """`tensor`, of which from now on this is known."""
        self._kept.append(tensor)
        self._known[id(tensor)] = known
        return tensor


def tensors_in(values: Iterable[Any]) -> Iterator[Tensor]:
    """Those among `values`, and in tuples and lists among them."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, tuple | list):
            yield from tensors_in(value)
