"""What the documentation says of tokens of others is what there is."""

import tomllib

import pytest

from api.settings.access_tokens import FederationSettings, IssuerSettings, WorkloadRuleSettings
from api.settings.report import markdown_table_of_items
from tests.service.running import REPOSITORY

__all__: list[str] = []

TEXT = (REPOSITORY / "docs" / "access-tokens.md").read_text()


def example(section: str) -> dict[str, object]:
    _, _, after = TEXT.partition(f"\n### {section}\n")
    _, _, block = after.partition("```toml\n")
    federation: dict[str, object] = tomllib.loads(block.partition("```")[0])["access"]["federation"]
    return federation


@pytest.mark.parametrize("model", [IssuerSettings, WorkloadRuleSettings])
def test_the_documentation_holds_the_keys_of_each_table(
    model: type[IssuerSettings | WorkloadRuleSettings],
) -> None:
    assert markdown_table_of_items(model) in TEXT


GITHUB = {
    "iss": "https://token.actions.githubusercontent.com",
    "aud": "https://registry.example.com",
    "sub": "repo:Octo-Org/app:ref:refs/heads/main",
    "repository": "Octo-Org/app",
    "repository_id": "74",
    "repository_owner": "Octo-Org",
    "repository_owner_id": "1234567",
    "ref": "refs/heads/main",
    "ref_type": "branch",
    "ref_protected": "true",
    "event_name": "push",
    "job_workflow_ref": "Octo-Org/app/.github/workflows/ci.yml@refs/heads/main",
    "runner_environment": "github-hosted",
}
GITLAB = {
    "iss": "https://gitlab.example.com",
    "aud": "https://registry.example.com",
    "sub": "project_path:team/app:ref_type:branch:ref:main",
    "namespace_id": "72",
    "namespace_path": "team",
    "project_id": "20",
    "project_path": "team/app",
    "ref": "main",
    "ref_type": "branch",
    "ref_path": "refs/heads/main",
    "ref_protected": "true",
}


@pytest.mark.parametrize(
    ("section", "claims", "name", "repositories"),
    [
        (
            "GitHub Actions",
            GITHUB,
            "github:Octo-Org/app",
            ["octo-org/app", "octo-org/app/**"],
        ),
        ("GitLab CI", GITLAB, "gitlab:team/app", ["team/app/**"]),
    ],
)
def test_the_examples_are_for_the_tokens_of_their_issuers(
    section: str, claims: dict[str, str], name: str, repositories: list[str]
) -> None:
    settings = FederationSettings.model_validate(example(section))
    (rule,) = [rule.rule() for rule in settings.rules]
    assert settings.issuers[0].url == rule.issuer == claims["iss"]
    assert claims["aud"] in settings.issuers[0].audiences
    assert rule.unmatched(claims) is None
    workload = rule.principal(claims, now=0)
    assert workload.name == name
    assert workload.grants is not None
    assert [str(grant.repositories) for grant in workload.grants] == repositories
    for claim in rule.claims:
        assert rule.unmatched({**claims, claim: "another"}) == claim
