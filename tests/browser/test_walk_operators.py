"""What operators do with the console: try a text, stop a job, promote a router, let a skill in, look back."""

from __future__ import annotations

from playwright.sync_api import Dialog, expect

from tests.browser.served import DEAR, GOOD_SKILLS, STRANGE_ACCOUNT, Site
from tests.browser.traffic import Caller, Made
from tests.browser.upstream import WAITING
from tests.browser.visitor import NARROW, Visitor

COMPARED_SECONDS = 60.0


def test_text_is_tried_and_nothing_is_stored(visitor: Visitor, caller: Caller) -> None:
    newest = caller.http.get("/v1/decisions", params={"limit": 1}).json()["decisions"][0]["id"]
    visitor.go("/console/try")
    visitor.page.get_by_label("Text", exact=True).fill("Which rivers meet in Mannheim?")
    visitor.page.get_by_label("Policy").select_option("cheapest")
    visitor.page.get_by_role("button", name="Decide").click()
    tried = visitor.page.locator("#tried")
    expect(tried.get_by_role("heading", name="Why this one")).to_be_visible()
    expect(tried).to_contain_text("cheapest")
    visitor.look(axe_rules=())
    visitor.has_no_fault()
    assert caller.http.get("/v1/decisions", params={"limit": 1}).json()["decisions"][0]["id"] == newest


def test_trial_that_cannot_be_paid_says_who_was_masked_and_why(visitor: Visitor) -> None:
    visitor.go("/console/try")
    visitor.page.get_by_label("Text", exact=True).fill("Which rivers meet in Mannheim?")
    visitor.page.get_by_label("Budget").fill("0.000001")
    visitor.page.get_by_role("button", name="Decide").click()
    expect(visitor.page.locator("#tried")).to_contain_text(DEAR)
    expect(visitor.page.locator("#tried")).to_contain_text("is left")
    visitor.look()
    visitor.has_no_fault()


def test_job_is_cancelled_after_a_second_word(visitor: Visitor, caller: Caller) -> None:
    job = caller.submit("review", "Never mind.", name="to cancel", not_before="2100-01-01T00:00:00Z")
    visitor.go(f"/console/jobs/{job}")
    button = visitor.page.get_by_role("button", name="Cancel the job")
    expect(button).to_be_hidden()
    visitor.page.get_by_text("Cancel this job…").click()
    button.click()
    expect(visitor.page.get_by_role("status")).to_contain_text("told to stop")
    caller.await_job(job, "cancelled")
    visitor.page.reload()
    expect(visitor.page.get_by_role("heading", level=1)).to_contain_text("cancelled")
    expect(button).to_have_count(0)
    visitor.look()
    visitor.has_no_fault()


def test_events_of_a_job_appear_as_they_come(visitor: Visitor, caller: Caller) -> None:
    job = caller.submit("review", f"{WAITING}Berta", name="followed")
    caller.await_job(job, "running")
    visitor.go(f"/console/jobs/{job}")
    rows = visitor.page.locator("table tbody tr")
    before = rows.count()
    caller.site.upstream.let_go("Berta")
    caller.await_job(job, "succeeded")
    expect(rows.nth(before)).to_be_visible()
    expect(visitor.page.locator("table tbody")).to_contain_text("succeeded")
    visitor.look()
    visitor.has_no_fault()


def test_router_is_promoted_with_a_reason_and_rolled_back(visitor: Visitor, busy_site: tuple[Site, Made]) -> None:
    first, second, _ = busy_site[0].router_ids
    visitor.go("/console/routers")
    visitor.page.get_by_role("row").filter(has_text="april").get_by_role("link").click()
    visitor.page.get_by_text("Promote…").click()
    promote = visitor.page.get_by_role("button", name="Promote")
    promote.click()  # without a reason the browser refuses
    assert visitor.page.url.endswith(second)
    visitor.page.locator("#reason-promote").fill("better in April")
    promote.click()
    expect(visitor.page.get_by_role("status")).to_contain_text("active")
    expect(visitor.page.locator("main")).to_contain_text("better in April")
    visitor.look(axe_rules=())
    questions: list[str] = []
    visitor.page.on("dialog", lambda dialog: answered(dialog, questions))
    visitor.go("/console/routers")
    visitor.page.get_by_text("Roll back…").click()
    visitor.page.locator("#reason-rollback").fill("dearer")
    visitor.page.get_by_role("button", name="Roll back").click()
    expect(visitor.page.get_by_role("status")).to_be_visible()
    assert len(questions) == 1
    visitor.go(f"/console/routers/{first}")
    expect(visitor.page.get_by_role("heading", level=1)).to_contain_text("active")
    visitor.has_no_fault()


def answered(dialog: Dialog, questions: list[str]) -> None:
    questions.append(dialog.message)
    dialog.accept()


def test_router_that_did_not_pass_is_promoted_only_by_force(visitor: Visitor, busy_site: tuple[Site, Made]) -> None:
    visitor.also_expected = (
        409,
        422,
    )
    visitor.go(f"/console/routers/{busy_site[0].router_ids[2]}")
    expect(visitor.page.locator("main")).to_contain_text("not passed")
    visitor.page.get_by_text("Promote…").click()
    visitor.page.locator("#reason-promote").fill("a trial")
    visitor.page.get_by_role("button", name="Promote").click()
    expect(visitor.page.get_by_role("alert")).to_contain_text("knn")
    visitor.look()
    visitor.has_no_fault()


def test_skill_is_found_by_what_its_text_says(visitor: Visitor) -> None:
    visitor.go("/console/skills")
    visitor.page.get_by_label("A query").fill("How are postcodes written?")
    visitor.page.get_by_role("button", name="Search").click()
    found = visitor.page.get_by_role("row").filter(has_text="postcode-check").first
    expect(found).to_be_visible()
    visitor.look(axe_rules=())
    found.get_by_role("link").first.click()
    expect(visitor.page.locator("main")).to_contain_text(GOOD_SKILLS["postcode-check"])
    visitor.look(axe_rules=())
    visitor.has_no_fault()


def test_quarantined_skill_says_what_the_scan_found(visitor: Visitor) -> None:
    visitor.go("/console/skills?state=quarantined")
    visitor.page.get_by_role("link", name="everything-helper", exact=True).first.click()
    expect(visitor.page.get_by_role("heading", level=1)).to_contain_text("everything-helper")
    expect(visitor.page.locator("main")).to_contain_text("Ignore all previous instructions")
    visitor.look(axe_rules=())
    visitor.look_for_harm()
    visitor.has_no_fault()


def test_memory_is_shown_as_it_was_at_another_moment(visitor: Visitor) -> None:
    visitor.go("/console/memory?memory=pheromone")
    picture = visitor.page.locator("main img")
    now = picture.get_attribute("src")
    visitor.page.get_by_role("navigation", name="Moments").get_by_role("link").first.click()
    expect(visitor.page.get_by_role("heading", name="Trails as they were")).to_be_visible()
    assert picture.get_attribute("src") != now
    visitor.page.wait_for_function("() => document.querySelector('main img').naturalWidth > 0")
    visitor.look()
    visitor.has_no_fault()


def test_account_is_found_by_a_part_of_its_name(visitor: Visitor) -> None:
    visitor.page.set_viewport_size({"width": NARROW[0], "height": NARROW[1]})
    visitor.go("/console/budgets")
    expect(visitor.page.locator("main")).to_contain_text("support")
    visitor.page.get_by_label("Account holds").fill("autofocus")
    visitor.page.get_by_role("button", name="Show").click()
    expect(visitor.page.get_by_role("row").filter(has_text=STRANGE_ACCOUNT[:20]).first).to_be_visible()
    visitor.look(axe_rules=())
    visitor.look_for_harm()
    visitor.has_no_fault()


def test_two_routers_are_compared_on_stored_traffic(visitor: Visitor) -> None:
    visitor.go("/console/compare")
    visitor.page.get_by_label("First").select_option("logged")
    visitor.page.get_by_label("Second").select_option("cheapest")
    visitor.page.get_by_role("button", name="Compare").click()
    side_by_side = visitor.page.get_by_role("heading", name="Side by side")
    side_by_side.wait_for(timeout=1000 * COMPARED_SECONDS)
    rows = visitor.page.locator("section").filter(has=side_by_side).locator("tbody tr")
    expect(rows.first).to_contain_text("logged")
    expect(rows.nth(1)).to_contain_text("cheapest")
    address = visitor.page.url
    visitor.look(axe_rules=())
    visitor.look_for_harm()
    visitor.page.set_viewport_size({"width": NARROW[0], "height": NARROW[1]})
    visitor.go("/console/compare")
    visitor.page.locator(f'a[href$="{address.rpartition("/")[2]}"]').click()
    expect(side_by_side).to_be_visible()
    visitor.look(axe_rules=())
    visitor.has_no_fault()
