"""What the S3 driver is told: where the bucket is, and how to work with it."""

from dataclasses import dataclass, field
from typing import Literal, get_args

__all__ = [
    "MAX_PARTS",
    "MAX_PART_BYTES",
    "MIN_PART_BYTES",
    "Encryption",
    "PayloadCheck",
    "S3Options",
]

MIN_PART_BYTES = 5 * 1024 * 1024
"""The store refuses smaller parts, except as the last one."""

MAX_PART_BYTES = 5 * 1024 * 1024 * 1024
MAX_PARTS = 10_000

_PARTS_OF_A_SIZE = 900

Encryption = Literal["none", "AES256", "aws:kms"]
PayloadCheck = Literal["sha256", "md5", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Options:
    """The settings of one driver. An empty text means that the setting is not made.

    `S3Settings` of the service has the same fields, with what each of them is for.
    """

    bucket: str
    root_prefix: str = ""
    region: str = ""
    endpoint_url: str = ""
    path_style: bool = False
    access_key_id: str = ""
    secret_access_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)
    verify_tls: bool = True
    ca_bundle: str = ""
    encryption: Encryption = "none"
    kms_key_id: str = ""
    storage_class: str = ""
    payload_check: PayloadCheck = "sha256"
    conditional_writes: bool = True
    part_bytes: int = 8 * 1024 * 1024
    part_concurrency: int = 2
    copy_threshold_bytes: int = 32 * 1024 * 1024
    copy_part_bytes: int = 64 * 1024 * 1024
    copy_concurrency: int = 8
    redirect: bool = True
    redirect_seconds: int = 1200
    redirect_endpoint_url: str = ""
    max_connections: int = 256
    max_attempts: int = 5
    connect_timeout_seconds: float = 10
    read_timeout_seconds: float = 60

    def __post_init__(self) -> None:
        if not self.bucket:
            raise ValueError("the S3 driver needs the name of a bucket")
        if self.encryption not in get_args(Encryption):
            raise ValueError(f"encryption is one of {get_args(Encryption)}")
        if self.payload_check not in get_args(PayloadCheck):
            raise ValueError(f"payload_check is one of {get_args(PayloadCheck)}")
        for name in ("part_bytes", "copy_part_bytes"):
            if not MIN_PART_BYTES <= getattr(self, name) <= MAX_PART_BYTES:
                raise ValueError(f"{name} is from {MIN_PART_BYTES} to {MAX_PART_BYTES}")
        if bool(self.access_key_id) != bool(self.secret_access_key):
            raise ValueError("access_key_id and secret_access_key are given both or not at all")

    def part_size(self, number: int) -> int:
        """Return how large part `number`, from 1, shall be.

        It doubles every nine hundred parts, so that the ten thousand parts which the store allows
        suffice for the 5 TiB that an object may have, whatever `part_bytes` is.
        """
        return min(self.part_bytes << ((number - 1) // _PARTS_OF_A_SIZE), MAX_PART_BYTES)

    def smallest_part(self, number: int) -> int:
        """Return the size below which a last part `number` is sent again when more comes.

        Were parts kept that are much smaller than planned, their number would not suffice.
        """
        grown = self.part_size(number) // 2 if number > _PARTS_OF_A_SIZE else 0
        return max(MIN_PART_BYTES, grown)
