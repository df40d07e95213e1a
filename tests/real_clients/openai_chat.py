"""Turns of the Chat API as programs for OpenAI's client ask them.

python openai_chat.py <base URL>

Runs in an environment with `openai`. Prints a JSON line for each program: its name, and what failed.
"""

from __future__ import annotations

import asyncio
import json
import sys
from importlib import import_module
from typing import Any

openai: Any = import_module("openai")
SCHEMA = {"type": "object", "properties": {"capital": {"type": "string"}}, "required": ["capital"]}
QUESTION = [{"role": "user", "content": "the first question"}]


class Programs:
    """Each method is a program."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.client = openai.OpenAI(base_url=base_url, api_key="simulated")
        self.asked = {"model": "lite", "messages": QUESTION}

    def whole(self) -> None:
        answer = self.client.chat.completions.create(**self.asked)
        assert answer.choices[0].message.content.startswith("[simulated]")
        assert answer.choices[0].message.role == "assistant"
        assert answer.basis[0]["citations"]
        assert answer.interaction_id
        assert answer.usage is None

    def stream(self) -> None:
        chunks = list(self.client.chat.completions.create(**self.asked, stream=True))
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        assert text.startswith("[simulated]")
        assert chunks[-1].interaction_id
        assert chunks[-1].basis[0]["citations"]

    def follow_up(self) -> None:
        first = self.client.chat.completions.create(**self.asked)
        before = {"previous_interaction_id": first.interaction_id}
        again = {"model": "base", "messages": [{"role": "user", "content": "and then?"}]}
        second = self.client.chat.completions.create(**again, extra_body=before)
        assert "the first question" in second.choices[0].message.content

    def schema(self) -> None:
        form = {"type": "json_schema", "json_schema": {"name": "country", "schema": SCHEMA}}
        answer = self.client.chat.completions.create(**self.asked, response_format=form)
        assert set(json.loads(answer.choices[0].message.content)) == {"capital"}

    def ignored(self) -> None:
        answer = self.client.chat.completions.create(
            **self.asked, temperature=0.5, max_tokens=5, stop=["a"], seed=1, user="me", n=1
        )
        assert answer.choices[0].message.content

    def awaited(self) -> None:
        async def main() -> None:
            async with openai.AsyncOpenAI(base_url=self.base_url, api_key="simulated") as client:
                assert (await client.chat.completions.create(**self.asked)).interaction_id
                stream = await client.chat.completions.create(**self.asked, stream=True)
                assert [chunk async for chunk in stream][-1].interaction_id

        asyncio.run(main())

    def refused(self) -> None:
        changes: tuple[dict[str, Any], ...] = ({"model": "pro"}, {"messages": []})
        for change in changes:
            try:
                self.client.chat.completions.create(**{**self.asked, **change})
            except openai.UnprocessableEntityError:
                continue
            raise AssertionError(f"{change} was not refused")


def main(base_url: str) -> None:
    """Run all, and print what came of each."""
    programs = Programs(base_url)
    for name in [name for name in vars(Programs) if not name.startswith("_")]:
        told: dict[str, Any] = {"name": name, "failed": None}
        try:
            getattr(programs, name)()
        except Exception as error:  # noqa: BLE001 -- whatever it is, it is to be told
            told["failed"] = f"{type(error).__name__}: {error}"
        print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1])
