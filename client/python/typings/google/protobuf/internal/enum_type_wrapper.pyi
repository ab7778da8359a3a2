from typing import Type, TypeVar

_Value = TypeVar("_Value")

class EnumTypeWrapper(type):
    def Name(cls, number: int) -> str: ...
    def Value(cls: Type[_Value], name: str) -> _Value: ...
