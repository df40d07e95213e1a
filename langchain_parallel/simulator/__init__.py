"""A simulated Parallel Task API: a state machine over a clock, in process or on a socket.

    simulator = Simulator(ManualClock())                     # virtual time
    http = httpx.Client(transport=SimulatorTransport(simulator), base_url="http://simulator")

    with serve(Simulator(latency_scale=0.01)) as server:
        print(server.url)                                    # a real server

Nothing it answers is a finding: every text says that it is simulated.
"""

from .answers import Answer, Request
from .basis import Realism
from .billing import BilledRun, Billing
from .clock import Clock, ManualClock, RealClock
from .faults import Fault
from .log import LogEntry
from .runs import RunScript, Turn
from .scenario import Scenario
from .server import RunningServer, serve
from .transport import SimulatorTransport
from .webhooks import Delivery
from .world import Simulator

__all__ = [
    "Answer",
    "BilledRun",
    "Billing",
    "Clock",
    "Delivery",
    "Fault",
    "LogEntry",
    "ManualClock",
    "RealClock",
    "Realism",
    "Request",
    "RunScript",
    "RunningServer",
    "Scenario",
    "Simulator",
    "SimulatorTransport",
    "Turn",
    "serve",
]
