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

CRDS = Path(__file__).resolve().parents[2] / "crds"
CAMPAIGN = pytest.StashKey[Campaign]()
SHOPS = 3  # side by side: more would only wait for the machine


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--replay", metavar="NAME", help="faults: this run only, as its name says")


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
        made = request.config.stash[CAMPAIGN] = Campaign(api, SHOPS, say)
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
    campaign = config.stash.get(CAMPAIGN, None)
    if campaign is None:
        return
    struck = [outcome for outcome in campaign.outcomes if outcome.wish.name != "rotation"]
    wrong = [outcome for outcome in campaign.outcomes if outcome.wrong]
    told = len(campaign.outcomes)
    terminalreporter.section("faults at a real API server")
    terminalreporter.line(
        f"{told} rotations, {len(struck)} of them with faults or aborted, "
        f"{sum(outcome.deaths for outcome in campaign.outcomes)} operators killed, {campaign.seconds:.0f} s; "
        f"{told - len(wrong)} of {told} converged ({100 * (told - len(wrong)) / max(1, told):.0f} %)"
    )
    for outcome in wrong:
        terminalreporter.line(f"  hack/test faults --replay '{outcome.wish.name}'")
        for words in outcome.wrong:
            terminalreporter.line(f"    {words}")
