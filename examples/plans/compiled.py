"""A workflow of three agents over one model, run as one agent that plays all roles.

python examples/plans/compiled.py
"""

import asyncio
import tempfile
from pathlib import Path

from local import CANDIDATES, LARGE, shown

from orchestrator import Settings, Workflow, compile_workflow
from orchestrator.bootstrap import candidates_in
from orchestrator.compiling import write_skills

workflow = Workflow("slogan", inputs=["product"])
workflow.step("facts", "Name two facts about: {product}", candidate="large")
workflow.step("draft", "Write a slogan of at most eight words from these facts: {facts}", candidate="large")
workflow.step("polish", "Make this slogan shorter and livelier: {draft}", candidate="large")

plan = compile_workflow(workflow, candidates_in(Settings(candidates=CANDIDATES)))
with tempfile.TemporaryDirectory() as folder:
    write_skills(plan, Path(folder))
    roles = [skill.name for skill in plan.skills()]
    one_agent = {"id": "slogan", "agent": "compiled", "model": LARGE, "skills": roles}
    settings = {"candidates": [*CANDIDATES, one_agent], "skill_folders": [folder]}
    asyncio.run(shown(plan.question(product="a bicycle bell"), plan="compiled", settings=settings))
