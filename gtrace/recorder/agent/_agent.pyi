from typing import TypedDict

class Status(TypedDict):
    recording: bool
    records: int
    lost: int
    full_at_ns: int
    gil_address: int
    patched_slots: int
    level: str

def start(path: str, max_bytes: int, /) -> str: ...
def stop() -> None: ...
def guard_names(file: str, /) -> bool: ...
def status() -> Status: ...
