"""What all recipes of this folder ask of each row. The engine pickles `enrich`; its workers have the key."""

from __future__ import annotations

from pydantic import BaseModel, Field

from langchain_parallel.batch import Enricher


class Company(BaseModel):
    """What is to be found."""

    ceo: str = Field(description="Full name of the chief executive")
    employees: int


enrich = Enricher(
    "Who runs {company}, and how many people work there?",
    Company,
    batch_id="companies, November 2026",
    row_id="id",
    claims="claims.sqlite",  # PostgresClaims() where the workers are on several machines
)
