"""Why this one, as pictures: what the pages of a decision and of a trial share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from orchestrator.explanation import Considered, Explanation, Money
from orchestrator.rest.console.charts.bars import Part, Stack, stacks
from orchestrator.rest.console.charts.graph import Edge, Node, graph
from orchestrator.rest.console.charts.stages import Ranked, stages
from orchestrator.rest.console.filters import dollars
from storage.records import Decision
from storage.skill_records import SkillSelection

MOST_CANDIDATES = 12  # in the picture of contributions; the table has all
MOST_TASKS, MOST_NEIGHBOURS, MOST_SKILLS = 4, 8, 7  # nodes of the graph, with the decision itself 20
MOST_RANKED = 12
LEAST_SHARE = 0.01  # of a task in the mixture that the graph shows


@dataclass(frozen=True, kw_only=True)
class WhyPictures:
    """Empty where there is nothing to draw."""

    scores: Markup
    skills: Markup
    neighbours: Markup
    budget: Markup


def pictures_of(explanation: Explanation) -> WhyPictures:
    return WhyPictures(
        scores=scores(explanation.allowed),
        skills=Markup("") if explanation.skills is None else skills(explanation.skills),
        neighbours=neighbours(explanation),
        budget=budget(explanation.money),
    )


def scores(allowed: Sequence[Considered]) -> Markup:
    """What each score is made of, the best first."""
    if not any(each.terms for each in allowed):
        return Markup("")
    rows = [
        Stack(
            name=each.candidate_id,
            parts=tuple(Part(name=term.name.replace("_", " "), value=term.value) for term in each.terms),
            text=f"{each.score:+.3f}",
            is_marked=each.is_chosen,
        )
        for each in _first(allowed, MOST_CANDIDATES)
    ]
    return stacks(rows, label="What each candidate's score is made of; the chosen one is marked with a dot.")


def skills(selection: SkillSelection) -> Markup:
    """What both stages of the search thought."""
    rows = [
        Ranked(name=skill.name, first=skill.retrieval, second=skill.rerank, is_marked=skill.is_shown)
        for skill in selection.considered[:MOST_RANKED]
    ]
    label = "Skills by the scores of both stages of the search; those given to the agent are marked with a dot."
    return stages(rows, first="1 retrieved", second="2 ranked", label=label) if rows else Markup("")


def budget(money: Money) -> Markup:
    """Where the account's money stands."""
    if not money.before_usd or not money.before_usd.is_finite():
        return Markup("")
    spent = float(money.spent_usd)
    held = max(0.0, float(money.held_usd) - spent)
    parts = (Part(name="spent", value=spent), Part(name="held and given back", value=held))
    row = Stack(name="of what was there before", parts=parts, text=dollars(money.before_usd))
    label = f"Of {dollars(money.before_usd)}, {dollars(money.spent_usd)} was spent."
    return stacks([row], label=label, most=float(money.before_usd))


def neighbours(explanation: Explanation) -> Markup:
    """The decision between the tasks it was read as, the candidates it looked at, and the skills it gave."""
    decision = explanation.decision
    tasks = sorted(decision.task_mixture.items(), key=lambda each: (-each[1], each[0]))
    tasks = [each for each in tasks if each[1] >= LEAST_SHARE][:MOST_TASKS] or [(decision.task, 1.0)]
    looked_at = _first([*explanation.allowed, *explanation.masked], MOST_NEIGHBOURS)
    nodes = [
        *(Node(id=f"task:{name}", name=name, column=0, kind="s2", about=f"{name}: {part:.0%}") for name, part in tasks),
        Node(id="decision", name=decision.step, column=1, kind="accent", is_marked=True, about=f"Step {decision.step}"),
        *(_candidate(each) for each in looked_at),
    ]
    edges = [
        *(Edge(start=f"task:{name}", end="decision", weight=part, about=f"{part:.0%}") for name, part in tasks),
        *(
            Edge(
                start="decision", end=each.candidate_id, weight=each.probability, is_marked=each.is_chosen,
                about=f"probability {each.probability:.3f}",
            )
            for each in looked_at
        ),
    ]  # fmt: skip
    columns = ["read as", "decision", "candidates"]
    if explanation.skills is not None and explanation.skills.considered:
        columns.append("skills")
        _add_skills(explanation.skills, decision, nodes, edges)
    return graph(nodes, edges, columns=columns, label="The decision, the tasks it was read as, and whom it looked at.")


def _add_skills(selection: SkillSelection, decision: Decision, nodes: list[Node], edges: list[Edge]) -> None:
    for skill in selection.considered[:MOST_SKILLS]:
        id = f"skill:{skill.skill_id}"
        kind = "s3" if skill.is_shown else "s6"
        nodes.append(Node(id=id, name=skill.name, column=3, kind=kind, is_marked=skill.is_shown))
        if skill.is_shown and decision.candidate_id is not None:
            edges.append(Edge(start=decision.candidate_id, end=id, weight=0.4, is_marked=True))


def _candidate(each: Considered) -> Node:
    about = f"{each.candidate_id}: probability {each.probability:.3f}"
    if each.mask_reason is not None:
        return Node(
            id=each.candidate_id, name=each.candidate_id, column=2, kind="s6", about=f"masked: {each.mask_reason}"
        )
    return Node(
        id=each.candidate_id, name=each.candidate_id, column=2, kind="accent" if each.is_chosen else "s1",
        is_marked=each.is_chosen, about=about,
    )  # fmt: skip


def _first(considered: Sequence[Considered], most: int) -> list[Considered]:
    """The first ones, and the chosen one wherever it stands."""
    first = list(considered[:most])
    chosen = [each for each in considered[most:] if each.is_chosen]
    return [*first[: most - len(chosen)], *chosen]
