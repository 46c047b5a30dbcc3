"""Which addresses are taken for one client."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.limits import subject_of_client
from core.access.networks import network_of
from core.access.short_key import short_key

__all__: list[str] = []


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:0DB8:0:0:ffff::2", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("_hidden", "_hidden"),
    ],
)
def test_an_address_of_ipv4_or_a_64_of_ipv6_is_one_client(address: str, network: str) -> None:
    assert network_of(address) == network
    assert subject_of_client((address, 1)) == f"address:{network}"


def test_a_peer_without_an_address_is_a_client_too() -> None:
    assert subject_of_client(None) == "address:local"


@given(st.text())
def test_no_name_of_a_client_takes_much_room(name: str) -> None:
    assert len(network_of(name * 100)) <= 64


@given(st.lists(st.text(), max_size=3), st.lists(st.text(), max_size=3))
def test_different_texts_have_different_keys(some: list[str], others: list[str]) -> None:
    assert (short_key(*some) == short_key(*others)) == (some == others)
