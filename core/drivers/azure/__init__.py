"""The driver for containers of Azure Blob Storage."""

from core.drivers.azure.driver import AzureDriver

__all__ = ["AzureDriver"]
