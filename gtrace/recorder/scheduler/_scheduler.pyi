from typing import TypedDict

class Status(TypedDict):
    recording: bool
    followed_by: int
    records: int
    lost: int
    full_at_ns: int
    cores: int
    ring_bytes: int

def start(
    path: str, max_bytes: int, ring_bytes: int, cores: tuple[int, ...], tids: tuple[int, ...], /
) -> None: ...
def warm_up() -> None: ...
def stop() -> None: ...
def status() -> Status: ...
