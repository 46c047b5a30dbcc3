"""On which line of a TOML file a key stands."""

import pytest

from api.settings.lines import find_line

__all__: list[str] = []

_TEXT = """\
[server]
port = 5000

[[policy.rules]]  # first
subjects = ["anonymous"]
repositories = [
    "public/**",
]

[[ policy . rules ]]
effect = "deny"
"subjects" = ["user:ann"]
[policy.groups]
dev = ["ann"]
[[policy.write_once]]
tags = ["v*"]
"""


@pytest.mark.parametrize(
    ("key", "line"),
    [
        (("policy", "rules", 0), 4),
        (("policy", "rules", 0, "subjects"), 5),
        (("policy", "rules", 0, "repositories", 0), 6),
        (("policy", "rules", 1), 10),
        (("policy", "rules", 1, "subjects", 0), 12),
        (("policy", "rules", 1, "actions"), 10),
        (("policy", "write_once", 0, "tags"), 16),
        (("policy", "groups", "dev"), 14),
        (("server", "port"), 2),
        (("policy", "rules", 2), None),
        (("access", "controller"), None),
    ],
)
def test_the_line_of_a_key_or_of_its_table_is_found(
    key: tuple[str | int, ...], line: int | None
) -> None:
    assert find_line(_TEXT, key) == line


def test_a_list_that_is_written_inline_is_found_by_its_key() -> None:
    text = '[policy]\n\nrules = [{ subjects = ["anonymous"] }]\n'
    assert find_line(text, ("policy", "rules", 0, "actions")) == 3
