"""The names of all rules, how serious each is, and why it matters in one sentence."""

from __future__ import annotations

from dataclasses import dataclass

from storage.skill_records import Severity


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A context (a quotation in a text about attacks, a negation) may lower a finding to a note, nothing raises it."""

    severity: Severity  # at its most serious
    reason: str


def _quarantine(reason: str) -> Rule:
    return Rule(severity="quarantine", reason=reason)


def _note(reason: str) -> Rule:
    return Rule(severity="note", reason=reason)


RULES = {
    # hidden characters
    "invisible_characters": _quarantine("Characters without width carry text that a model reads and a person does not see."),
    "bidi_controls": _quarantine("Direction controls show a text in another order than it is read (CVE-2021-42574)."),
    "tag_characters": _quarantine("Tag characters (U+E0000) are invisible ASCII that models read."),
    "variation_selector_data": _quarantine("A run of variation selectors hides bytes behind one visible character."),
    "mixed_script_name": _quarantine("The name mixes letters of scripts that look alike."),
    "mixed_script_words": _note("Words mix letters of scripts that look alike."),
    "unread_text": _quarantine("The text is longer than a scan reads, so nothing is known of its end."),
    # overriding instructions
    "override_instructions": _quarantine("It tells the model to drop the instructions that it was given."),
    "new_system_prompt": _quarantine("It poses as a system prompt or gives the model another identity."),
    "safety_off": _quarantine("It tells the model to work without its safeguards or without asking."),
    "concealment": _quarantine("It tells the model to keep something from its user or operator."),
    "hidden_instruction": _quarantine("A comment or invisible markup addresses the model."),
    "role_marks": _quarantine("Marks of chat templates forge a turn of another speaker."),
    "prompt_delimiters": _quarantine("It forges the marks between which our prompts put a skill's text."),
    "self_promotion": _quarantine("It tells the model or the ranking to choose this skill whatever the query."),
    # encoded content
    "encoded_text": _quarantine("An encoded run decodes to instructions or commands."),
    "encoded_program": _quarantine("An encoded run decodes to a program."),
    "script_uri": _quarantine("A data: or javascript: URI holds a script."),
    "high_entropy": _note("A long run without spaces looks random; nobody can read what it does."),
    # exfiltration
    "secret_upload": _quarantine("It sends keys, credentials or the whole environment somewhere."),
    "conversation_upload": _quarantine("It sends the conversation somewhere."),
    "image_beacon": _quarantine("The address of an image carries data out as soon as it is shown."),
    "pipe_to_shell": _quarantine("It runs what an address without a proven owner answers."),
    "dump_host": _quarantine("It sends data to a host that collects requests of anybody."),
    "dns_exfiltration": _quarantine("It carries data out in names that it looks up."),
    "reverse_shell": _quarantine("It opens a shell for another machine."),
    # ranking attacks
    "repeated_terms": _quarantine("Terms are repeated to rank higher."),
    "term_list": _quarantine("A long list of unrelated terms is there to be found for everything."),
    "many_triggers": _quarantine("So many trigger phrases that they cannot all be about one skill."),
    "description_off_body": _note("The description shares no word with the body."),
    "other_skills_named": _quarantine("The description names many other skills to be found in their place."),
    # impersonation
    "confusable_name": _quarantine("The name looks like another skill's name and is not."),
    "near_name": _note("The name differs from another skill's by one character or by separators."),
    # files beside it
    "path_escape": _quarantine("A path leads out of the skill's folder."),
    "executable_resource": _quarantine("A program in machine code lies beside it, which nobody can read."),
    "disguised_resource": _quarantine("A file's name shows another type than it has."),
    "autorun_resource": _quarantine("A file that other programs run or obey by themselves."),
    "sensitive_resource": _note("A file of a kind that holds keys, runs when loaded, or hides others."),
}  # fmt: skip
