import datetime
from typing import Optional

from google.protobuf import message

class Timestamp(message.Message):
    seconds: int
    nanos: int
    def __init__(self, seconds: int = ..., nanos: int = ...) -> None: ...
    def ToDatetime(self, tzinfo: Optional[datetime.tzinfo] = ...) -> datetime.datetime: ...
