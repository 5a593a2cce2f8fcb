"""Real servers, one of each flavour for the whole run, made clean for every test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from shlex import split
from typing import Any
from uuid import uuid4

import pytest

from keyturn.kube.client import KubeClient
from keyturn.kube.cluster import KubeCluster
from keyturn.providers.mysql.provider import DIALECT as MYSQL
from keyturn_dev.cluster.api import Cluster
from support import iam_plan, mariadb_plan, rabbitmq_plan, redis_plan, ring_rig
from support.closing import all_closed
from support.cloudflare_access_plan import AccessRig
from support.cloudflare_r2_plan import R2Rig
from support.cloudflare_server import CloudflareServer
from support.cluster_rig import ClusterRig, KubeClusterRig, MemoryClusterRig
from support.console import console
from support.contract_columns import COLUMNS, FORMS
from support.contract_matrix import Matrix
from support.counting_pods import counting_rig
from support.iam_rig import AwsIamRig
from support.iam_server import IamServer
from support.kubectl import Kubectl, SystemClock, cluster_with_our_kinds
from support.manual_rig import ManualRig
from support.mariadb_server import MariadbServer
from support.mysql_server import MysqlServer
from support.postgres_plan import OPENED, Setting, make_ready
from support.postgres_server import Servers
from support.provider_rig import MariadbRig, MemoryIssuerRig, MemoryRig, PostgresRig, RabbitmqRig, RedisRig, Rig
from support.rabbitmq_server import RabbitmqServer
from support.redis_server import RedisPair
from support.tls_rig import TlsRig
from support.webhook_plan import WebhookRig
from support.webhook_server import Bench, ReferenceServer, admin_secret

MATRIX = pytest.StashKey[Matrix]()
FORM = pytest.StashKey[str]()
LEFT_OUT = pytest.StashKey[int]()
SUITE = ("test_provider_contract.py", "test_provider_contract_strangers.py")
WEBHOOK = ("--webhook", "--webhook-secret", "--webhook-bench")
ON_A_NAMED_SERVER = {"mysql": pytest.mark.mysql}


def pytest_addoption(parser: pytest.Parser) -> None:
    """The contract over a server of somebody's own, and nothing else: see docs/providers/webhook.md."""
    parser.addoption("--webhook", metavar="URL", help="run the contract of providers over the server at this address")
    parser.addoption("--webhook-secret", metavar="FILE", type=Path, help="manifest of the admin Secret for it")
    parser.addoption("--webhook-bench", metavar="COMMAND", help="program that plays everybody else beside it")
    parser.addoption(
        "--mysql", metavar="PROGRAM", type=Path, help="mysqld to run MySQL's tests on: see docs/providers/mysql.md"
    )


def pytest_cmdline_main(config: pytest.Config) -> None:
    given = [config.getoption(name, None) for name in WEBHOOK]
    if any(given) and not all(given):
        raise pytest.UsageError(f"{', '.join(WEBHOOK)} belong together: see docs/providers/webhook.md")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--webhook", None):
        items[:] = [item for item in items if isinstance(item, pytest.Function) and _over_a_webhook(item)]
        return
    left_out = [item for item in items if item.get_closest_marker("mysql")]
    if left_out and not config.getoption("--mysql", None):
        config.stash[LEFT_OUT] = len(left_out)  # the summary says so
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("mysql")]


def _over_a_webhook(item: pytest.Function) -> bool:
    return item.path.name in SUITE and item.callspec.params["rig"] == "webhook"


def pytest_configure(config: pytest.Config) -> None:
    config.stash[MATRIX] = Matrix()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, None]:
    """Every item of the contract, for every backend that it ran on."""
    outcome = yield
    report = outcome.get_result()
    if item.path.name in SUITE and isinstance(item, pytest.Function) and (call.when == "call" or report.failed):
        name = item.originalname or item.name
        item.config.stash[MATRIX].add(name, item.callspec.params["rig"], report.outcome)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if LEFT_OUT in config.stash:
        terminalreporter.write_line(f"MySQL: {config.stash[LEFT_OUT]} tests not run, for no --mysql PROGRAM was named")
    lines = config.stash[MATRIX].lines()
    if lines:
        terminalreporter.section("the contract of providers")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    started = Servers()
    yield started
    started.stop()


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[MariadbServer]:
    started = MariadbServer().start()
    yield started
    started.stop()


@pytest.fixture(scope="session")
def mysql_server(pytestconfig: pytest.Config) -> Iterator[MysqlServer]:
    started = MysqlServer(pytestconfig.getoption("--mysql")).start()
    yield started
    started.stop()


@pytest.fixture(scope="session")
def rabbitmq_server() -> Iterator[RabbitmqServer]:
    started = RabbitmqServer(others=True).start()
    yield started
    started.stop()


@pytest.fixture(scope="session")
def redis_pair() -> Iterator[RedisPair]:
    started = RedisPair().start()
    yield started
    started.stop()


@pytest.fixture(scope="session")
def reference_server() -> Iterator[ReferenceServer]:
    started = ReferenceServer()
    yield started
    started.stop()


@pytest.fixture(scope="session")
def iam_server() -> Iterator[IamServer]:
    started = IamServer(iam_plan.new_account(iam_plan.HandClock())).start()
    yield started
    started.stop()


@pytest.fixture
def aws(iam_server: IamServer) -> iam_plan.Setting:
    """An account in which a user has one key."""
    return iam_plan.make_ready(iam_server)


@pytest.fixture(params=[pytest.param(one, marks=ON_A_NAMED_SERVER.get(one, ())) for one in COLUMNS])
def rig(request: pytest.FixtureRequest) -> Rig:
    """Every backend that must keep the contract: from the fixture ``rig_`` and its name."""
    name, *form = request.param.split("-", 1)
    request.node.stash[FORM] = "".join(form)
    rigged: Rig = request.getfixturevalue(f"rig_{name}")
    request.config.stash[MATRIX].versions[request.param] = rigged.version
    return rigged


@pytest.fixture
def rig_memory() -> Rig:
    return MemoryRig()


@pytest.fixture
def rig_memory_issuer() -> Rig:
    return MemoryIssuerRig()


@pytest.fixture
def rig_awsiam(aws: iam_plan.Setting) -> Rig:
    return AwsIamRig(aws)


@pytest.fixture
def rig_ring(request: pytest.FixtureRequest) -> Rig:
    return ring_rig.RingRig(request.node.stash[FORM])


@pytest.fixture
async def rig_keyring_counters() -> AsyncIterator[Rig]:
    async with counting_rig() as rig:
        yield rig


@pytest.fixture
def rig_tls() -> Iterator[Rig]:
    rig = TlsRig()
    yield rig
    rig.setting.stop()


@pytest.fixture
def cloudflare() -> Iterator[CloudflareServer]:
    server = CloudflareServer()
    yield server
    server.stop()


@pytest.fixture
def rig_cloudflareaccess(cloudflare: CloudflareServer) -> Rig:
    return AccessRig(cloudflare)


@pytest.fixture
def rig_cloudflarer2(cloudflare: CloudflareServer) -> Rig:
    return R2Rig(cloudflare)


@pytest.fixture
async def rig_manual() -> AsyncIterator[Rig]:
    async with console() as started:
        yield ManualRig(started)


@pytest.fixture
def rig_mariadb(mariadb_server: MariadbServer) -> Rig:
    return MariadbRig(mariadb_plan.make_ready(mariadb_server))


@pytest.fixture
def rig_mysql(mysql_server: MysqlServer) -> Rig:
    return MariadbRig(mariadb_plan.make_ready(mysql_server, MYSQL))


@pytest.fixture
def rig_rabbitmq(rabbitmq_server: RabbitmqServer) -> Rig:
    return RabbitmqRig(rabbitmq_plan.make_ready(rabbitmq_server))


@pytest.fixture
def rig_redis(redis_pair: RedisPair) -> Rig:
    return RedisRig(redis_plan.make_ready(redis_pair))


@pytest.fixture
def rig_webhook(request: pytest.FixtureRequest) -> Rig:
    """Over the server that the command line names, else over the reference server."""
    url, secret, bench = (request.config.getoption(name, None) for name in WEBHOOK)
    if url:
        return WebhookRig(url, admin_secret(secret), Bench(split(bench)), url)
    server: ReferenceServer = request.getfixturevalue("reference_server")
    return WebhookRig(server.url, server.admin, server.bench, "the reference server")


@pytest.fixture
def rig_postgres(request: pytest.FixtureRequest, servers: Servers) -> Iterator[Rig]:
    flavour, form = request.node.stash[FORM].split("-")
    yield PostgresRig(make_ready(servers[flavour], form))
    servers[flavour].revive()


@pytest.fixture(params=[f"{f}-{form}" for f in ("15", "18") for form in FORMS])
def setting(request: pytest.FixtureRequest, servers: Servers) -> Iterator[Setting]:
    """A plan on each server in each form of the rotator."""
    flavour, form = request.param.split("-")
    yield make_ready(servers[flavour], form)
    servers[flavour].revive()


@pytest.fixture(params=["15", "18"])
def plain(request: pytest.FixtureRequest, servers: Servers) -> Iterator[Setting]:
    """A plan on each server, in the smallest form: for questions that do not depend on the form."""
    yield make_ready(servers[request.param], "Functions")
    servers[request.param].revive()


@pytest.fixture
def fifteen(servers: Servers) -> Iterator[Setting]:
    """The server that speaks TLS."""
    yield make_ready(servers["15"], "Functions")
    servers["15"].revive()


@pytest.fixture(params=["memory", "kubernetes"])
def any_cluster(request: pytest.FixtureRequest) -> ClusterRig:
    """Every API server that must keep the Cluster port's contract."""
    return MemoryClusterRig() if request.param == "memory" else request.getfixturevalue("real_cluster")


@pytest.fixture
async def real_cluster(api_server: Cluster) -> AsyncIterator[KubeClusterRig]:
    kubectl = Kubectl(api_server, f"contract-{uuid4().hex[:8]}")
    kubectl("create", "namespace", kubectl.namespace)
    async with await KubeClient.connect(api_server.kubeconfig) as client:
        world = KubeCluster(client, operator_namespace=kubectl.namespace, identity="test", clock=SystemClock())
        yield KubeClusterRig(world, kubectl)
    kubectl("delete", "namespace", kubectl.namespace, "--wait=false")


@pytest.fixture(scope="session")
def api_server() -> Cluster:
    return cluster_with_our_kinds()


@pytest.fixture(autouse=True)
async def every_provider_is_closed() -> AsyncIterator[None]:
    """As the reconciler does at the end of each tick; and the loop has seen the end of every connection."""
    yield
    while OPENED:
        await OPENED.pop().close()
    await all_closed()
