"""How much of a hostile corpus the scan of skills finds, by class, and how often it alarms on harmless skills.

python -m benchmarks.skill_safety --json [--pool pool.jsonl.gz] [--skills 1000] [--seed 0] [--half odd]
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from skills.base import Provenance, Skill
from skills.safety.impersonation import KnownNames
from skills.safety.scanning import is_quarantined, scan
from tests.skills.safety.hostile_corpus.case import KNOWN_NAMES, Case, cases

HALVES = {"even": 0, "odd": 1}  # rules were chosen on the even places of the pool; figures are of the odd ones


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pool", type=Path, help="JSONL of real skills, gzipped or not")
    parser.add_argument("--skills", type=int, default=1000, help="drawn from the pool; 0: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--half", choices=sorted(HALVES), help="only every second skill of the pool")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    report = corpus_report()
    if chosen.pool:
        pool = read_pool(chosen.pool)
        report["pool"] = pool_report(pool, count=chosen.skills, seed=chosen.seed, half=chosen.half)
    print(json.dumps(report, indent=None if chosen.json else 2, ensure_ascii=False))
    return 0


def corpus_report() -> dict[str, object]:
    """Detection by class on both parts of the corpus, and false alarms on the harmless part."""
    known = KnownNames(KNOWN_NAMES)
    alarmed = [case.id for case in cases("benign") if is_quarantined(scan(case.skill(), known_names=known))]
    return {
        "held_out": _detection(cases("held_out"), known),
        "tuning": _detection(cases("tuning"), known),
        "benign": {"cases": len(cases("benign")), "alarms": len(alarmed), "alarmed": alarmed},
    }


def is_detected(case: Case, known: KnownNames) -> bool:
    """Quarantined by one of the rules that the case names."""
    findings = scan(case.skill(), known_names=known)
    return any(finding.severity == "quarantine" and finding.rule in case.rules for finding in findings)


def _detection(found: Sequence[Case], known: KnownNames) -> dict[str, object]:
    group_to_hits: dict[str, list[bool]] = {}
    for case in found:
        group_to_hits.setdefault(case.group, []).append(is_detected(case, known))
    hits = sum(map(sum, group_to_hits.values()))
    return {
        "cases": len(found),
        "detected": hits,
        "rate": round(hits / len(found), 4),
        "by_class": {group: f"{sum(each)}/{len(each)}" for group, each in sorted(group_to_hits.items())},
    }


def read_pool(path: Path, *, most: int | None = None) -> list[Skill]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in islice(lines, most)]
    return [
        Skill(
            id=row["skill_id"],
            name=row["name"],
            description=row["description"] or "",
            body=row["body"] or "",
            provenance=Provenance(source=row["source"], sha256=""),
        )
        for row in rows
    ]


def pool_report(pool: Sequence[Skill], *, count: int, seed: int, half: str | None = None) -> dict[str, object]:
    """Every quarantine counts as a false alarm, whether it is one or not."""
    known = KnownNames(skill.name for skill in pool)
    drawn = list(pool[HALVES[half] :: 2] if half else pool)
    if 0 < count < len(drawn):
        drawn = [drawn[place] for place in np.random.default_rng(seed).choice(len(drawn), count, replace=False)]
    began = time.process_time()
    skill_to_findings = {skill.skill_id: scan(skill, known_names=known) for skill in drawn}
    seconds = time.process_time() - began
    quarantined = [skill_id for skill_id, findings in skill_to_findings.items() if is_quarantined(findings)]
    rules = Counter(
        rule
        for findings in skill_to_findings.values()
        for rule in {finding.rule for finding in findings if finding.severity == "quarantine"}
    )
    return {
        "skills": len(drawn),
        "quarantined": len(quarantined),
        "rate": round(len(quarantined) / len(drawn), 4),
        "by_rule": dict(rules.most_common()),
        "quarantined_ids": sorted(quarantined),
        "cpu_ms_per_skill": round(1000 * seconds / len(drawn), 2),
    }


if __name__ == "__main__":
    sys.exit(main())
