"""A simulated Parallel API (tasks, search, extract): a state machine over a clock, in process or on a socket.

    simulator = Simulator(ManualClock())                     # virtual time
    http = httpx.Client(transport=SimulatorTransport(simulator), base_url="http://simulator")

    with serve(Simulator(latency_scale=0.01)) as server:
        print(server.url)                                    # a real server

None of its answers is a real finding; every text says that it is simulated.
"""

from .basis import EvidenceSettings
from .billing import BilledAnswer, BilledRun, Billing
from .clock import Clock, ManualClock, RealClock
from .faults import Fault
from .http_messages import Request, Response
from .http_server import RunningServer, serve
from .request_log import LogEntry
from .scenario import Scenario
from .simulated_run import ContextTurn, RunScript
from .simulator import Simulator
from .task_group import Listing
from .transport import SimulatorTransport
from .webhook_outbox import Delivery

__all__ = [
    "BilledAnswer",
    "BilledRun",
    "Billing",
    "Clock",
    "ContextTurn",
    "Delivery",
    "EvidenceSettings",
    "Fault",
    "Listing",
    "LogEntry",
    "ManualClock",
    "RealClock",
    "Request",
    "Response",
    "RunScript",
    "RunningServer",
    "Scenario",
    "Simulator",
    "SimulatorTransport",
    "serve",
]
