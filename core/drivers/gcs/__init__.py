"""The driver for Google Cloud Storage."""

from core.drivers.gcs.driver import GCSDriver

__all__ = ["GCSDriver"]
