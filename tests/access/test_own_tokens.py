"""The registry's own access tokens: who gets them, for what, and when they end."""

import pytest

from core.access import ANONYMOUS, Access, Asker, CredentialsInvalid, Principal
from core.access.passwords.attempts import LoginAttempts
from core.access.passwords.basic import parse_basic
from core.access.passwords.throttle import NoThrottle
from core.access.resources import CATALOG
from core.access.state import AccessState
from core.access.tokens.identity import Identity
from core.access.tokens.signing import SigningKeys
from core.drivers import MemoryDriver, StorageDriver
from core.errors import AccessUnavailable, DriverUnavailable
from tests.access.token_nodes import (
    PASSWORD,
    PULL_PUSH,
    TEAM,
    Clock,
    Node,
    Users,
    Workloads,
    basic,
    read_claims,
)
from tests.faulty import Call, FaultyDriver

__all__: list[str] = []


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def node(driver: StorageDriver, clock: Clock) -> Node:
    return Node(driver, clock)


async def test_the_bearer_of_a_token_is_who_asked_for_it_with_the_scope_that_was_granted(
    node: Node,
) -> None:
    token = await node.token("ann", "correct horse battery staple", PULL_PUSH)
    principal = await node.bearer(token)
    assert principal.subject == "user:ann"
    assert principal.scope == (Access("repository", "team/app", ("pull", "push")),)
    assert principal.grants is None
    claims = read_claims(token)
    assert claims["exp"] - claims["iat"] == 300
    assert (claims["iss"], claims["aud"], claims["sub"]) == ("moorage", "moorage", "ann")
    assert claims["access"] == [
        {"type": "repository", "name": "team/app", "actions": ["pull", "push"]}
    ]


async def test_anybody_gets_a_token_for_what_anybody_may_do(node: Node) -> None:
    scopes = ("repository:public/app:pull,push", "repository:team/app:pull", str(CATALOG))
    principal = await node.bearer(await node.token(None, "", *scopes))
    assert principal.subject == ANONYMOUS.subject
    assert principal.scope == (Access("repository", "public/app", ("pull",)),)


async def test_a_token_of_a_robot_is_good_for_no_more_than_its_grants(node: Node) -> None:
    _, secret = await node.robots.add("ci", [TEAM])
    token = await node.token("robot+ci", secret, "repository:team/app:*", "repository:base/x:pull")
    principal = await node.bearer(token)
    assert principal.grants == (TEAM,)
    assert principal.scope == (Access("repository", "team/app", ("pull", "push")),)
    assert read_claims(token)["sub"] == "robot+ci"


async def test_a_pull_of_forty_layers_verifies_one_password(node: Node) -> None:
    token = await node.token("ann", "correct horse battery staple", PULL_PUSH)
    for _ in range(42):
        assert (await node.bearer(token)).name == "ann"
        node.clock.now += 1
    assert node.users.verified == 1


async def test_a_token_ends_when_it_says_and_is_good_on_every_node_before(
    driver: StorageDriver, node: Node, clock: Clock
) -> None:
    token = await node.token("ann")
    other = Node(driver, clock, node.users)
    assert (await other.bearer(token)).name == "ann"
    clock.now += 300 + 61
    with pytest.raises(CredentialsInvalid, match="expired"):
        await other.bearer(token)


async def test_a_token_outlives_the_rotation_of_its_key(
    driver: StorageDriver, node: Node, clock: Clock
) -> None:
    token = await node.token("ann")
    keys = SigningKeys(
        AccessState(driver),
        rotation=node.server.service._keys._rotation,
        token_lifetime=node.server.service._keys._token_lifetime,
        now=clock,
    )
    await keys.rotate()
    assert (await node.bearer(token)).name == "ann"
    assert (await Node(driver, clock, node.users).bearer(token)).name == "ann"


async def test_a_token_of_another_registry_or_for_another_service_is_refused(
    node: Node, clock: Clock
) -> None:
    foreign = Node(MemoryDriver(), clock)
    await node.token("ann")
    with pytest.raises(CredentialsInvalid, match="not trusted"):
        await node.bearer(await foreign.token("ann"))
    with pytest.raises(CredentialsInvalid, match="audience"):
        await node.bearer(await node.token("ann", service="old-registry"))


async def test_a_token_that_was_altered_is_refused(node: Node) -> None:
    header, claims, signature = (await node.token("ann")).split(".")
    other = (await node.token(None)).split(".")[1]
    for forged in (
        f"{header}.{other}.{signature}",
        f"{header}.{claims}.",
        f"{header}.{claims}.{signature[:-4]}AAAA",
        f"{header}.{claims}",
        "",
        "." * 10_000,
    ):
        with pytest.raises(CredentialsInvalid):
            await node.bearer(forged)


@pytest.mark.parametrize("user", ["ann", "robot+ci"])
async def test_an_access_token_is_no_refresh_token_and_the_reverse(node: Node, user: str) -> None:
    _, secret = await node.robots.add("ci", [TEAM])
    password = secret if user == "robot+ci" else "correct horse battery staple"
    access, refresh = await node.token(user, password), await node.refresh_token(user, password)
    assert refresh is not None
    with pytest.raises(CredentialsInvalid, match="no refresh token"):
        await node.server.service.log_in_again(access, "moorage")
    with pytest.raises(CredentialsInvalid):
        await node.bearer(refresh)
    identity = await node.server.service.log_in_again(refresh, "moorage")
    assert identity.principal.name == user.removeprefix("robot+")


async def test_a_refresh_token_ends_with_the_user_the_password_or_its_time(node: Node) -> None:
    again = node.server.service.log_in_again
    refresh = await node.refresh_token("ann")
    assert refresh is not None
    assert (await again(refresh, "moorage")).principal.name == "ann"
    node.users.passwords["ann"] = "another"
    with pytest.raises(CredentialsInvalid, match="password has changed"):
        await again(refresh, "moorage")
    del node.users.passwords["ann"]
    with pytest.raises(CredentialsInvalid, match="password has changed"):
        await again(refresh, "moorage")
    node.users.passwords["ann"] = "correct horse battery staple"
    with pytest.raises(CredentialsInvalid, match="another service"):
        await again(refresh, "old-registry")
    node.clock.now += 30 * 86400
    with pytest.raises(CredentialsInvalid, match="expired"):
        await again(refresh, "moorage")


async def test_an_access_token_ends_with_the_user_or_the_password_within_a_second(
    node: Node,
) -> None:
    token = await node.token("ann")
    principal = await node.bearer(token)
    assert principal.valid_until <= node.clock.now + 1
    node.users.passwords["ann"] = "another"
    with pytest.raises(CredentialsInvalid, match="password has changed"):
        await node.bearer(token)


async def test_a_password_that_changes_while_it_is_verified_is_worth_nothing_after(
    driver: StorageDriver, clock: Clock
) -> None:
    class Changing(Users):
        async def verify(self, user: str, password: str) -> Principal | None:
            found = await super().verify(user, password)
            self.passwords[user] = "another"
            return found

    node = Node(driver, clock, Changing(ann=PASSWORD))
    identity = await node.server.service.log_in("ann", PASSWORD, None)
    issued = await node.server.service.issue(identity, "moorage", (), offline=True)
    assert issued.refresh is not None
    with pytest.raises(CredentialsInvalid):
        await node.server.service.log_in_again(issued.refresh, "moorage")
    with pytest.raises(CredentialsInvalid):
        await node.server.controller.identify(Asker(authorization=f"Bearer {issued.access.text}"))


async def test_a_refresh_token_that_was_not_made_here_is_refused(node: Node, clock: Clock) -> None:
    refresh = await node.refresh_token("ann")
    foreign = await Node(MemoryDriver(), clock).refresh_token("ann")
    assert refresh is not None
    assert foreign is not None
    content, _, mac = refresh.partition(".")
    for forged in (
        foreign,
        f"{content}x.{mac}",
        f"{content}.",
        f"{content}.\udcff",
        content,
        f"{foreign.partition('.')[0]}.{mac}",
        "moorage_refresh_.",
        "x" * 100_000,
    ):
        with pytest.raises(CredentialsInvalid):
            await node.server.service.log_in_again(forged, "moorage")


async def test_nobody_gets_a_refresh_token_whom_nothing_would_end(node: Node) -> None:
    service = node.server.service
    certified = await service.identify(Asker(common_name="ann", organizations=("staff",)))
    for identity in (Identity(principal=ANONYMOUS), certified):
        assert (await service.issue(identity, "moorage", (), offline=True)).refresh is None
    never = Node(node.state.driver, node.clock, refresh_token_days=0)
    assert await never.refresh_token("ann") is None


async def test_a_verified_certificate_is_a_user_whose_groups_are_its_organizations(
    node: Node,
) -> None:
    asker = Asker(common_name="ann", organizations=("staff",))
    direct = await node.server.controller.identify(asker)
    assert (direct.subject, direct.groups) == ("user:ann", frozenset({"staff"}))
    identity = await node.server.service.identify(asker)
    issued = await node.server.service.issue(identity, "moorage", (), offline=False)
    assert (await node.bearer(issued.access.text)).groups == {"staff"}


async def test_a_job_exchanges_its_id_token_and_goes_on_with_refresh_tokens_until_it_ends(
    node: Node,
) -> None:
    service = node.server.service
    identity = await service.log_in_workload("job-1")
    issued = await service.issue(identity, "moorage", (PULL_PUSH,), offline=True)
    principal = await node.bearer(issued.access.text)
    assert principal.subject == "workload:job-1"
    assert principal.grants == (TEAM,)
    assert principal.claims == {"repository": "team/app"}
    assert issued.refresh is not None
    node.clock.now += 500
    again = await service.log_in("oidc", issued.refresh, None)
    second = await service.issue(again, "moorage", (PULL_PUSH,), offline=False)
    assert second.access.expires_in == 100
    assert (await node.bearer(second.access.text)).grants == (TEAM,)
    node.clock.now += 100
    with pytest.raises(CredentialsInvalid, match="expired"):
        await service.log_in("oidc", issued.refresh, None)


@pytest.mark.parametrize("is_trusted_for_others", [True, False])
async def test_tokens_of_a_job_end_with_the_rule_that_was_for_it(
    driver: StorageDriver, clock: Clock, *, is_trusted_for_others: bool
) -> None:
    class Others(Workloads):
        def knows(self, workload: Principal) -> bool:
            return False

    before = Node(driver, clock)
    identity = await before.server.service.log_in_workload("job-1")
    issued = await before.server.service.issue(identity, "moorage", (PULL_PUSH,), offline=True)
    after = Node(driver, clock, workloads=Others(clock) if is_trusted_for_others else None)
    with pytest.raises(CredentialsInvalid, match="no rule"):
        await after.bearer(issued.access.text)
    assert issued.refresh is not None
    with pytest.raises(CredentialsInvalid, match="no rule"):
        await after.server.service.log_in("oidc", issued.refresh, None)


async def test_an_id_token_is_a_password_of_one_user_only(node: Node) -> None:
    identity = await node.server.service.log_in("oidc", "job-1", None)
    assert identity.principal.subject == "workload:job-1"
    for user in ("ann", "robot+oidc", "oidc2"):
        with pytest.raises(CredentialsInvalid):
            await node.server.service.log_in(user, "job-1", None)
    with pytest.raises(CredentialsInvalid, match="vouches"):
        await node.server.service.log_in("oidc", "something", None)


async def test_passwords_are_taken_without_a_token_too(node: Node) -> None:
    good = Asker(authorization=basic("ann", "correct horse battery staple"))
    assert (await node.server.controller.identify(good)).name == "ann"
    for bad in (
        basic("ann", "wrong"),
        basic("bob", "correct horse battery staple"),
        "Basic !",
        "Basic",
        "Basic YQ==",
        "Digest x",
        "",
    ):
        with pytest.raises(CredentialsInvalid):
            await node.server.controller.identify(Asker(authorization=bad))
    assert await node.server.controller.identify(Asker()) is ANONYMOUS


@pytest.mark.parametrize("credentials", ["YQo6Yg==", "YTpiAA==", "/zpi", "a" * 40_000, "YTpi YTpi"])
def test_credentials_that_are_none_are_refused(credentials: str) -> None:
    with pytest.raises(CredentialsInvalid):
        parse_basic(credentials)


def test_a_password_may_have_colons_and_any_letters() -> None:
    assert parse_basic("YW5uOmE6YjrDvMKg") == ("ann", "a:b:ü\xa0")


async def test_a_challenge_says_what_a_token_has_to_be_good_for(node: Node) -> None:
    wanted = [Access.repository("team/app", "pull"), Access.repository("base/x", "pull")]
    challenge = node.server.controller.challenge(wanted, error="invalid_token")
    assert (challenge.scheme, challenge.realm) == ("Bearer", None)
    assert list(challenge.parameters.items()) == [
        ("service", "moorage"),
        ("scope", "repository:team/app:pull repository:base/x:pull"),
        ("error", "invalid_token"),
    ]
    assert node.server.controller.challenge([]).parameters == {"service": "moorage"}


async def test_a_store_that_does_not_answer_is_not_taken_for_wrong_credentials(
    driver: StorageDriver, clock: Clock
) -> None:
    is_away = False

    async def away(call: Call) -> None:
        if is_away:
            raise DriverUnavailable(call.path, "away")

    node = Node(FaultyDriver(driver, away), clock)
    _, secret = await node.robots.add("ci", [TEAM])
    token, robots = await node.token("ann"), await node.token("robot+ci", secret)
    fresh = Node(FaultyDriver(driver, away), clock)
    is_away = True
    clock.now += 1
    # What is remembered goes on; what has to be asked for cannot.
    assert (await node.bearer(token)).name == "ann"
    for asked in (node.bearer(robots), fresh.bearer(token)):
        with pytest.raises(AccessUnavailable):
            await asked


async def test_failed_logins_are_told_to_who_slows_them_down(
    driver: StorageDriver, clock: Clock
) -> None:
    told: list[tuple[str, str | None, str | None]] = []

    class Throttle(NoThrottle):
        async def check(self, address: str, user: str) -> None:
            told.append(("check", address, user))

        async def failed(self, address: str, user: str) -> None:
            told.append(("failed", address, user))

        async def succeeded(self, address: str, user: str) -> None:
            told.append(("succeeded", address, user))

    service = Node(driver, clock, attempts=LoginAttempts(Throttle())).server.service
    await service.log_in("ann", "correct horse battery staple", "192.0.2.1")
    with pytest.raises(CredentialsInvalid):
        await service.log_in("ann", "wrong", "192.0.2.1")
    await service.identify(Asker(address="192.0.2.1"))
    assert told == [
        ("check", "192.0.2.1", "ann"),
        ("succeeded", "192.0.2.1", "ann"),
        ("check", "192.0.2.1", "ann"),
        ("failed", "192.0.2.1", "ann"),
    ]


async def test_a_fingerprint_in_a_token_tells_nothing_of_what_is_kept(
    driver: StorageDriver, clock: Clock
) -> None:
    node = Node(driver, clock, Users(ann="$2b$12$kept"))
    token = await node.token("ann", "$2b$12$kept")
    assert "$2b$12$" not in str(read_claims(token))
    other = Node(MemoryDriver(), clock, Users(ann="$2b$12$kept"))
    bound = read_claims(token)["moorage"]["bound"]
    assert read_claims(await other.token("ann", "$2b$12$kept"))["moorage"]["bound"] != bound
