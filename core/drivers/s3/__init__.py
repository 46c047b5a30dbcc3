"""The driver for S3 and what speaks its protocol."""

from core.drivers.s3.driver import S3Driver
from core.drivers.s3.options import S3Options

__all__ = ["S3Driver", "S3Options"]
