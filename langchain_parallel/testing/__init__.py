"""For the tests of programs that do research: a client without a key, a model that follows a script.

    client = simulated_client()                      # the simulator, in virtual time: a run takes no time
    tool = ParallelTaskTool(client=client)
    model = ScriptedModel(call("parallel_task", input="Who makes cargo bikes?"), "Several do [1].")

Needs the extra `simulator`. None of its answers is a real finding; every text says that it is simulated.
"""

from .scripted_model import ScriptedModel, call, calls
from .simulated_account import simulated_client

__all__ = ["ScriptedModel", "call", "calls", "simulated_client"]
