"""Makes the sessions that `example_sessions` reads: `python -m tests.scorers.make_example_sessions`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from langchain_parallel import Limits, create_research_graph, scorers
from langchain_parallel.scorers import ExampleSession
from langchain_parallel.simulator import ManualClock, Scenario, Simulator
from langchain_parallel.testing import simulated_client

FILE = Path(scorers.__file__).with_name("example_sessions.jsonl")
QUESTION = "What is known about the bicycle maker Velomar?"
SCHEMA = {
    "type": "object",
    "properties": {
        "employees": {"type": "integer", "description": "How many people work there"},
        "headquarters": {"type": "string", "description": "The city of its head office"},
        "statement": {"type": "string", "description": "What it says of next year, quoted"},
    },
    "required": ["employees", "headquarters", "statement"],
    "additionalProperties": False,
}
EXPECTED = {"answer": {"employees": 1240, "headquarters": "Port Alder"}}

STAFF = {
    "url": "https://velomar.example/figures",
    "title": "Velomar in figures",
    "excerpts": ["At the end of the year, 1,240 people worked at Velomar in Port Alder."],
}
LETTER = {
    "url": "https://velomar.example/letter",
    "title": "Letter to shareholders",
    "excerpts": ["We said: “Next year every model will have a belt drive.”"],
}
REGISTER = {
    "url": "https://register.example/velomar",
    "title": "Velomar in the register",
    "excerpts": ["Velomar, head office in Port Alder."],
}
NEWS = {
    "url": "https://news.example/velomar",
    "title": "Velomar lays off a third",
    "excerpts": ["After the layoffs, 820 people work at Velomar."],
}
GOOD = {
    "employees": 1240,
    "headquarters": "Port Alder",
    "statement": "Velomar says: “Next year every model will have a belt drive.”",
}
CITED = {"employees": [STAFF], "headquarters": [REGISTER], "statement": [LETTER]}

Turn = dict[str, Any]


def answer(
    content: Mapping[str, Any] = GOOD,
    cited: Mapping[str, Any] = CITED,
    low: tuple[str, ...] = (),
    match: object = QUESTION,
) -> Turn:
    """A scripted answer with its evidence."""
    basis = [
        {
            "field": field,
            "confidence": "low" if field in low else "high",
            "reasoning": "Made up.",
            "citations": cited.get(field, []),
        }
        for field in content
    ]
    return {"match": match, "output": {"type": "json", "content": content, "basis": basis}}


def example(name: str, *turns: Turn, processor: str = "core", runs: int = 1) -> ExampleSession:
    """A session whose questions these turns answer."""
    account = Simulator(
        ManualClock(),
        seed=sum(name.encode()),
        scenario=Scenario.parse({"name": name, "turns": turns}),
    )
    graph = create_research_graph(
        client=simulated_client(account),
        processor=processor,
        checks=True,
        limits=Limits(max_runs_per_question=runs),
    ).compile()
    inputs: Any = {"question": QUESTION, "output_schema": SCHEMA}
    state = graph.invoke(inputs)
    kept = [{k: v for k, v in turn.items() if k != "seal"} for turn in state["turns"]]
    return ExampleSession(
        name=name, inputs=inputs, outputs={"turns": kept}, reference_outputs=EXPECTED
    )


def examples() -> list[ExampleSession]:
    """All of them."""
    asked_again = {"regex": "employees"}
    old = {**STAFF, "excerpts": ["Some 2,000 people work at Velomar."]}
    mirrored = {**STAFF, "url": "http://www.velomar.example/figures/?utm_source=news"}
    return [
        example("good", answer()),
        example(
            "good after a follow-up",
            answer({**GOOD, "employees": 1240}, match=asked_again),
            answer(low=("employees",)),
            processor="base",
            runs=2,
        ),
        example("unsupported", answer(cited={}, low=("employees", "statement"))),
        example(
            "incomplete",
            answer({**GOOD, "headquarters": "unknown", "statement": ""}, {"employees": [STAFF]}),
        ),
        example(
            "contradicted",
            answer({**GOOD, "employees": 820}, {**CITED, "employees": [NEWS]}, match=asked_again),
            answer(low=("employees",)),
            runs=2,
        ),
        example(
            "wrong and well cited",
            answer({**GOOD, "employees": 2000}, {**CITED, "employees": [old]}),
        ),
        example(
            "false quote",
            answer({**GOOD, "statement": "Velomar says: “We will leave the market next year.”"}),
        ),
        example(
            "one page cited as three",
            answer(
                cited={**CITED, "employees": [STAFF, mirrored, {**STAFF, "url": "Velomar, p. 3"}]}
            ),
        ),
        example("expensive", answer(), processor="ultra8x"),
        example(
            "failed", {"match": QUESTION, "status": "failed", "error": "No page could be read."}
        ),
    ]


if __name__ == "__main__":
    made = (json.dumps(one, ensure_ascii=False) + "\n" for one in examples())
    FILE.write_text("".join(made), encoding="utf-8")
