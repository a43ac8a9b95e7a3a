"""The console without a mouse."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.visitor import Visitor

SELECTED = 'tr[aria-selected="true"]'


def pressed(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def test_two_letters_lead_to_each_page_of_the_menu(visitor: Visitor) -> None:
    visitor.go("/console")
    for key, path in {"d": "/decisions", "j": "/jobs", "r": "/routers", "t": "/try", "o": ""}.items():
        pressed(visitor.page, "g", key)
        visitor.page.wait_for_url(f"{visitor.origin}/console{path}")
    visitor.has_no_fault()


def test_rows_are_walked_and_opened(visitor: Visitor) -> None:
    visitor.go("/console/decisions")
    rows = visitor.page.locator("tr[data-href]")
    pressed(visitor.page, "j", "j", "j", "k")
    expect(rows.nth(1)).to_have_attribute("aria-selected", "true")
    expect(visitor.page.locator(SELECTED)).to_have_count(1)
    wanted = rows.nth(1).get_attribute("data-href")
    pressed(visitor.page, "Enter")
    visitor.page.wait_for_url(f"{visitor.origin}{wanted}")
    visitor.has_no_fault()


def test_question_mark_shows_the_keys_and_escape_closes_them(visitor: Visitor) -> None:
    visitor.go("/console/decisions")
    pressed(visitor.page, "?")
    keys = visitor.page.get_by_role("dialog", name="Keys")
    expect(keys).to_be_visible()
    visitor.look(axe_rules=())
    pressed(visitor.page, "Escape")
    expect(keys).to_be_hidden()
    visitor.has_no_fault()


def test_slash_begins_a_search_and_letters_typed_there_are_letters(visitor: Visitor) -> None:
    visitor.go("/console/decisions")
    pressed(visitor.page, "/")
    field = visitor.page.get_by_label("Candidate")
    expect(field).to_be_focused()
    visitor.page.keyboard.type("gj?/d")
    expect(field).to_have_value("gj?/d")
    expect(visitor.page.get_by_role("dialog", name="Keys")).to_be_hidden()
    assert visitor.page.url.startswith(f"{visitor.origin}/console/decisions")


def test_tab_goes_in_the_order_of_the_page_and_is_seen(visitor: Visitor) -> None:
    visitor.go("/console/decisions")
    seen = []
    for _ in range(14):
        pressed(visitor.page, "Tab")
        seen.append(visitor.page.evaluate("() => looks.focused()"))
        assert visitor.page.evaluate("() => looks.hasRing()"), f"no ring around {seen[-1]!r}"
    assert seen[:4] == ["To the content", "Antroute", "Overview", "Decisions"]
    assert "candidate" in seen


def test_skip_link_leads_past_the_menu(visitor: Visitor) -> None:
    visitor.go("/console/decisions")
    pressed(visitor.page, "Tab", "Enter", "Tab")
    inside = visitor.page.evaluate("() => document.querySelector('main').contains(document.activeElement)")
    assert inside


def test_theme_that_was_chosen_stays(visitor: Visitor) -> None:
    visitor.go("/console/decisions")
    ground = "() => getComputedStyle(document.documentElement).backgroundColor"
    light = visitor.page.evaluate(ground)
    button = visitor.page.get_by_role("button", name="Light, dark or as the system")
    button.click()
    button.click()
    expect(visitor.page.locator("html")).to_have_attribute("data-theme", "dark")
    dark = visitor.page.evaluate(ground)
    assert dark != light
    visitor.page.reload()
    assert visitor.page.evaluate(ground) == dark
    visitor.go("/console")
    assert visitor.page.evaluate(ground) == dark
    visitor.has_no_fault()
