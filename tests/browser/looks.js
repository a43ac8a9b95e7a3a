// Runs in every page before its own scripts: notices what only the page itself can see.
"use strict";
window.looks = (() => {
  const violations = [];
  addEventListener("securitypolicyviolation", (event) => {
    violations.push(`${event.violatedDirective} ${event.blockedURI || "inline"} ${event.sample || ""}`);
  });

  // Serious and critical findings of axe; `rules`: only these, or all of WCAG 2.1 A and AA.
  const barriers = async (rules) => {
    const only = rules.length
      ? { type: "rule", values: rules }
      : { type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"] };
    const found = await axe.run(document, { runOnly: only, preload: false, resultTypes: ["violations"] });
    return found.violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .flatMap(({ id, nodes }) => nodes.slice(0, 3).map(({ target, html, failureSummary }) =>
        `${id} at ${target.join(" ")} ${html.slice(0, 120)}: ${failureSummary.replace(/\s+/g, " ")}`));
  };

  const right = (element) => element.getBoundingClientRect().right;
  // Whether something around it scrolls or hides what sticks out.
  const isCaught = (element) => Boolean(element) && element !== document.body
    && (getComputedStyle(element).overflowX !== "visible" || isCaught(element.parentElement));
  // What makes the page scroll sideways: the innermost elements, three at most.
  const wide = () => {
    const width = document.documentElement.clientWidth;
    const scrolled = document.documentElement.scrollWidth;
    if (scrolled <= width) return [];
    const sticksOut = (element) => right(element) > width + 0.5 && !isCaught(element.parentElement);
    return [...document.body.querySelectorAll("*")]
      .filter((element) => sticksOut(element) && ![...element.children].some(sticksOut))
      .slice(0, 3)
      .map((element) => `${element.outerHTML.slice(0, 160)} ends at ${Math.round(right(element))} of ${width} pixels`)
      .concat(`scrolls to ${scrolled} of ${width} pixels`);
  };

  // Elements that a stranger's text would make if it were read as HTML, and the sum if it were read as a template.
  const harm = ([mark, sum]) => {
    const made = document.querySelectorAll(
      `.${mark}, [onerror], [onload], [onfocus], [onmouseover], [onbegin], iframe, object, embed, base, `
      + '[href^="javascript:" i], [src^="javascript:" i], [action^="javascript:" i], [style*="display: none !important"]');
    const shown = document.body.innerText.includes(sum) ? [sum] : [];
    return [...made].map((element) => element.outerHTML.slice(0, 200)).concat(shown);
  };

  // Characters that turn, hide or join text, wherever the page holds them: as text, or in an attribute. A field to write
  // in is left out: it must hold what was written, and stands apart from all other text.
  const unprinted = (characters) => {
    const holds = (text) => [...characters].some((character) => text.includes(character));
    const told = [];
    const walk = document.createTreeWalker(document.documentElement, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
    for (let node = walk.currentNode; node; node = walk.nextNode()) {
      if (node.parentElement && node.parentElement.matches("textarea")) continue;
      if (node.nodeType === Node.TEXT_NODE && holds(node.data)) told.push(JSON.stringify(node.data.slice(0, 80)));
      for (const attribute of node.attributes || []) {
        const isWritten = attribute.name === "value" && node.matches("input");
        if (holds(attribute.value) && !isWritten) told.push(`${attribute.name}=${JSON.stringify(attribute.value.slice(0, 80))}`);
      }
    }
    return told;
  };

  // Where a text that is written from right to left stands on a line with something else, and may change its order.
  const isApart = (element) => {
    const { display, unicodeBidi } = getComputedStyle(element);
    return !display.startsWith("inline") || display.startsWith("inline-") || unicodeBidi.includes("isolate") || unicodeBidi === "plaintext";
  };
  const turned = (text) => {
    const told = [];
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walk.nextNode(); node; node = walk.nextNode()) {
      if (!node.data.includes(text) || node.parentElement.closest("option, textarea, title")) continue;
      let around = node.parentElement;
      while (!isApart(around)) around = around.parentElement;
      const beside = around.textContent.trim() !== node.parentElement.textContent.trim();
      const isWholeStranger = node.parentElement.closest("bdi, [dir=auto], .passage") !== null;
      const within = !isWholeStranger && node.data.trim().indexOf(text) > 0;
      if (beside || within) told.push(around.outerHTML.replace(/\s+/g, " ").slice(0, 240));
    }
    return told;
  };

  // What has the focus, by its words, name or id; and whether a ring shows it.
  const focused = () => {
    const element = document.activeElement;
    return element === document.body ? "" : (element.innerText || element.name || element.id || element.tagName).trim();
  };
  const hasRing = () => {
    const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
    return outlineStyle !== "none" && parseFloat(outlineWidth) >= 2;
  };

  return { violations, barriers, wide, harm, unprinted, turned, focused, hasRing };
})();
