"""Any request, in any order, to both sockets: a model says what must hold after each.

RIG_SEED=N chooses what is asked, RIG_EXAMPLES=N how many times it is begun anew; a failure is printed as the fewest steps that show it.
"""

import os

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from rig.randomclient import RandomClient
from rig.randommodel import Servers

SEED = int(os.environ.get("RIG_SEED", "1"))
EXAMPLES = int(os.environ.get("RIG_EXAMPLES", "8"))
STEPS = 30
PARTS = 4  # that may run at the same time


@pytest.mark.parametrize("part", range(PARTS))
def test_any_requests_in_any_order_are_answered_as_the_manual_says(part, tmp):
    print(f"RIG_SEED={SEED} RIG_EXAMPLES={EXAMPLES}")
    servers = Servers()
    machine = seed(PARTS * SEED + part)(type("Client", (RandomClient,), {"folder": tmp, "servers": servers}))
    chosen = settings(max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None, database=None, phases=(Phase.generate, Phase.shrink),
                      suppress_health_check=list(HealthCheck), report_multiple_bugs=False, print_blob=True)
    try:
        run_state_machine_as_test(machine, settings=chosen)
        if machine.daemon:
            assert machine.daemon.stop()[0] == 0
    finally:
        if machine.daemon:
            machine.daemon.close()
        servers.close()
    print(f"{machine.steps} steps, the slowest answer of control after {1e3 * machine.slowest:.1f} ms")
