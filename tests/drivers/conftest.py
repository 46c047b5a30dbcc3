"""Shows the values that an assertion of the shared suite compared."""

import pytest

__all__: list[str] = []

pytest.register_assert_rewrite("tests.contracts.driver")
