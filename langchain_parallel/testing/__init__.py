"""For the tests of programs that do research: a client without a key, a model that follows a script.

    client = simulated_client()                      # the simulator, in virtual time: a run takes no time
    tool = ParallelTaskTool(client=client)
    model = ScriptedModel(call("parallel_task", input="Who makes cargo bikes?"), "Several do [1].")

    client = recording_client("answers.jsonl")       # the API, recorded without secrets
    client = replayed_client("answers.jsonl")        # what it said, without key, network or cost

`langchain_parallel.testing.plugin` has a fixture for pytest. Needs the extra `simulator`. None of the
simulator's own answers is a real finding; each of its texts says that it is simulated.
"""

from .recording import RecordingTransport, recording_client
from .replay import recorded_scenario, replayed_client
from .scripted_model import ScriptedModel, call, calls
from .simulated_account import simulated_client

__all__ = [
    "RecordingTransport",
    "ScriptedModel",
    "call",
    "calls",
    "recorded_scenario",
    "recording_client",
    "replayed_client",
    "simulated_client",
]
