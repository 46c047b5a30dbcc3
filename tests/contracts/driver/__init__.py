"""`DriverContract`: what every storage driver does, one test for each sentence of its contract.

A driver's own test file subclasses it and gives a fixture `driver`, inside `CheckedDriver`, and
two back doors that go around the driver, so that what one method did is not checked with another.
"""

from tests.contracts.driver.appenders import AppendersContract
from tests.contracts.driver.calls import (
    append,
    list_all,
    list_names,
    list_unfinished,
    read_all,
    write_all,
)
from tests.contracts.driver.changes import ChangesContract
from tests.contracts.driver.listings import ListingsContract
from tests.contracts.driver.moves import MovesContract
from tests.contracts.driver.readers import ReadersContract
from tests.contracts.driver.unfinished import UnfinishedContract
from tests.contracts.driver.values import ValuesContract
from tests.contracts.driver.writers import WritersContract

__all__ = [
    "DriverContract",
    "append",
    "list_all",
    "list_names",
    "list_unfinished",
    "read_all",
    "write_all",
]


class DriverContract(
    ValuesContract,
    ReadersContract,
    WritersContract,
    AppendersContract,
    ListingsContract,
    MovesContract,
    ChangesContract,
    UnfinishedContract,
):
    """The contract as tests. Subclasses add tests, and cannot replace any of these."""
