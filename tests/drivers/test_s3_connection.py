"""What the S3 driver asks of its library."""

import json
from collections.abc import Mapping

import pytest
from botocore.endpoint_provider import RuleSet
from botocore.loaders import create_loader

from core.drivers import StorageDriver
from core.drivers.s3.connection import UNUSED_PARAMETERS

__all__: list[str] = []


def test_no_rule_for_endpoints_looks_at_the_parameters_that_are_left_out() -> None:
    model = create_loader().load_service_model("s3", "endpoint-rule-set-1")
    assert set(UNUSED_PARAMETERS) < set(model["parameters"])
    rules = json.dumps(model["rules"])
    for parameter in UNUSED_PARAMETERS:
        assert f'"ref": "{parameter}"' not in rules
        assert f"{{{parameter}}}" not in rules


async def test_the_endpoint_of_a_bucket_is_not_found_anew_for_each_object(
    s3_driver: StorageDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate = RuleSet.evaluate
    evaluated = 0

    def counted(rules: RuleSet, parameters: Mapping[str, object]) -> object:
        nonlocal evaluated
        evaluated += 1
        return evaluate(rules, parameters)

    monkeypatch.setattr(RuleSet, "evaluate", counted)
    await s3_driver.put("/a", b"")
    await s3_driver.copy("/a", "/b")
    # The rules have two answers: some calls are never those of a session.
    assert 1 <= evaluated <= 2
    for name in "cdef":
        await s3_driver.put(f"/{name}", b"")
        await s3_driver.copy(f"/{name}", f"/{name}/{name}")
        await s3_driver.get(f"/{name}")
    assert evaluated <= 2
