"""The shops that the fault tests run in, on hack/test's cluster, and what is said at the end."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from keyturn_dev.cluster.api import ensure_cluster
from support.campaign import Campaign
from support.closing import all_closed
from support.kube_api import KubeApi
from support.kubectl import Kubectl
from support.wares import WARES
from support.wish import Outcome, Wish

CRDS = Path(__file__).resolve().parents[2] / "crds"
CAMPAIGNS = pytest.StashKey[dict[str, Campaign]]()
SHOPS = 3  # side by side: more would only wait for the machine
FIRST = next(iter(WARES))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--replay", metavar="NAME", help="faults: this run only, as its name says")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Over every backend what depends on it; the rest over the first, and over all of them with ``--all``."""
    if "campaign" not in metafunc.fixturenames:
        return
    chosen = list(WARES)
    if name := metafunc.config.getoption("--replay"):
        chosen = [str(name).partition(":")[0]]
    elif not metafunc.config.getoption("--all") and not metafunc.definition.get_closest_marker("each_backend"):
        chosen = [FIRST]
    metafunc.parametrize("campaign", chosen, indirect=True, scope="package")


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def campaign(request: pytest.FixtureRequest) -> AsyncIterator[Campaign]:
    cluster = ensure_cluster()
    kubectl = Kubectl(cluster, "default")
    kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRDS))
    kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", str(CRDS))
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def say(words: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"  {words}", flush=True)  # noqa: T201 - progress, for whoever waits

    async with KubeApi(cluster.kubeconfig) as api:
        made = Campaign(api, request.param, SHOPS, say)
        request.config.stash.setdefault(CAMPAIGNS, {})[made.backend] = made
        yield made
        await made.close()
    await all_closed()
    gc.collect()  # what breaks on purpose here is complained of here, and not in the next tests


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A replay is all that runs, where one is asked for, and does not exist where none is."""
    replay = bool(config.getoption("--replay"))
    items[:] = [item for item in items if "faults" not in item.path.parts or ("replayed" in item.name) is replay]


@pytest.fixture
def every(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--all"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    campaigns = config.stash.get(CAMPAIGNS, {})
    if not campaigns:
        return
    terminalreporter.section("faults at a real API server and real backends")
    for campaign in campaigns.values():
        told = campaign.outcomes
        wrong = [outcome for outcome in told if outcome.wrong]
        terminalreporter.line(
            f"{campaign.backend}: {len(told)} rotations, {sum(map(_disturbed, told))} of them with faults or aborted, "
            f"{sum(outcome.deaths for outcome in told)} operators killed, {campaign.seconds:.0f} s; "
            f"{len(told) - len(wrong)} of {len(told)} converged "
            f"({100 * (len(told) - len(wrong)) / max(1, len(told)):.0f} %)"
        )
        for outcome in wrong:
            terminalreporter.line(f"  hack/test faults --replay '{outcome.name}'")
            for words in outcome.wrong:
                terminalreporter.line(f"    {words}")


def _disturbed(outcome: Outcome) -> bool:
    return outcome.wish != Wish()
