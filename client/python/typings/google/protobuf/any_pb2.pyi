from google.protobuf import message

class Any(message.Message):
    type_url: str
    value: bytes
    def __init__(self, type_url: str = ..., value: bytes = ...) -> None: ...
    def Pack(self, msg: message.Message) -> None: ...
