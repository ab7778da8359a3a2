import datetime

from google.protobuf import message

class Duration(message.Message):
    seconds: int
    nanos: int
    def __init__(self, seconds: int = ..., nanos: int = ...) -> None: ...
    def FromTimedelta(self, td: datetime.timedelta) -> None: ...
