// What the server cannot do: the theme, times in the reader's zone, the keyboard. Everything works without it.
"use strict";
(() => {
  const root = document.documentElement;
  const themes = ["auto", "light", "dark"];
  const kept = () => { try { return localStorage.getItem("antroute-theme") || "auto"; } catch { return "auto"; } };
  const keep = (theme) => { try { localStorage.setItem("antroute-theme", theme); } catch { /* private window: for this page only */ } };
  const show = (theme) => { if (theme === "auto") delete root.dataset.theme; else root.dataset.theme = theme; };
  show(kept());

  const localTimes = (within) => {
    for (const element of within.querySelectorAll("time[datetime]:not([data-local])")) {
      const at = new Date(element.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      const two = (number) => String(number).padStart(2, "0");
      const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
      const isToday = at.toDateString() === new Date().toDateString();
      const clock = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
      element.textContent = isToday ? clock : `${day} ${clock}`;
      element.dataset.local = "";
    }
  };

  let place = -1;
  const rows = () => [...document.querySelectorAll("tr[data-href]")];
  const step = (by) => {
    const all = rows();
    if (!all.length) return;
    if (place >= 0 && all[place]) all[place].removeAttribute("aria-selected");
    place = Math.min(Math.max(place + by, 0), all.length - 1);
    all[place].setAttribute("aria-selected", "true");
    all[place].scrollIntoView({ block: "nearest" });
  };

  let isGoing = false;
  const onKey = (event) => {
    const isTyping = event.target.closest("input, textarea, select, [contenteditable]");
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (isTyping) { if (event.key === "Escape") event.target.blur(); return; }
    if (isGoing) {
      isGoing = false;
      const link = document.querySelector(`nav a[data-key="${CSS.escape(event.key)}"]`);
      if (link) { event.preventDefault(); link.click(); }
      return;
    }
    const keys = {
      g: () => { isGoing = true; setTimeout(() => { isGoing = false; }, 1500); },
      j: () => step(1),
      k: () => step(-1),
      Enter: () => { const row = rows()[place]; if (row && row.hasAttribute("aria-selected")) location.href = row.dataset.href; },
      "/": () => { const field = document.querySelector(".filters input:not([type=hidden]), .filters select, main input[type=search]"); if (field) { event.preventDefault(); field.focus(); } },
      "?": () => { const dialog = document.querySelector("dialog[data-keys]"); if (dialog) dialog.showModal(); },
    };
    if (keys[event.key]) keys[event.key]();
  };

  const onClick = (event) => {
    if (event.target.closest("[data-theme-button]")) {
      const next = themes[(themes.indexOf(kept()) + 1) % themes.length];
      keep(next);
      show(next);
    }
    const copy = event.target.closest("[data-copy]");
    if (copy && navigator.clipboard) navigator.clipboard.writeText(copy.dataset.copy).then(() => { copy.textContent = "Copied"; });
  };
  // A form with data-confirm asks before it is sent.
  const onSubmit = (event) => {
    const question = event.target.dataset && event.target.dataset.confirm;
    if (question && !window.confirm(question)) event.preventDefault();
  };

  // Following along: an element with data-poll asks for newer rows each so many milliseconds, while anybody can look.
  const MOST_ROWS = 300;
  const polls = () => [...document.querySelectorAll("[data-poll]")];
  const isPaused = (poll) => poll.querySelector('[data-poll-pause][aria-pressed="true"]') !== null;
  const tick = () => {
    if (!window.htmx) return; // not there yet
    for (const poll of polls()) {
      const isDue = Date.now() - Number(poll.dataset.last || 0) >= Number(poll.dataset.poll);
      if (!isDue || isPaused(poll) || document.visibilityState !== "visible" || poll.dataset.stopped) continue;
      poll.dataset.last = String(Date.now());
      window.htmx.trigger(poll, "poll");
    }
  };
  const onPollRequest = (event) => {
    if (!event.target.matches("[data-poll]")) return;
    const rows = [...document.querySelectorAll("#rows tr[data-position]")];
    event.detail.parameters.after = rows.length ? rows[0].dataset.position : "0";
    const underWay = rows.filter((row) => row.dataset.underWay).slice(0, 20).map((row) => row.dataset.underWay);
    if (underWay.length) event.detail.parameters.under_way = underWay.join(",");
  };
  const onPollAnswer = (event) => {
    const poll = event.detail.requestConfig && event.detail.requestConfig.elt;
    if (!poll || !poll.matches("[data-poll]") || event.detail.xhr.status === 204) return;
    const said = poll.querySelector("[data-poll-said]");
    if (!event.detail.xhr.responseText.trimStart().startsWith("<tr")) {
      event.detail.shouldSwap = false;
      poll.dataset.stopped = "yes";
      said.textContent = "New ones do not appear any more: load the page again.";
      return;
    }
    for (const row of document.querySelectorAll("#rows tr.new")) row.classList.remove("new");
    const found = (event.detail.xhr.responseText.match(/<tr [^>]*class="new"/g) || []).length;
    if (found) said.textContent = `${found} new ${found === 1 ? "decision" : "decisions"}`;
  };
  const trim = () => { for (const row of [...document.querySelectorAll("#rows tr[data-position]")].slice(MOST_ROWS)) row.remove(); };
  const onPause = (event) => {
    const button = event.target.closest("[data-poll-pause]");
    if (!button) return;
    const willPause = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(willPause));
    button.textContent = willPause ? "Go on" : "Pause";
    button.parentElement.querySelector("[data-poll-said]").textContent = willPause ? "Paused." : "New decisions appear by themselves.";
  };
  setInterval(tick, 100);
  document.addEventListener("htmx:configRequest", onPollRequest);
  document.addEventListener("htmx:beforeSwap", onPollAnswer);
  document.addEventListener("htmx:afterSettle", trim);
  document.addEventListener("click", onPause);

  document.addEventListener("keydown", onKey);
  document.addEventListener("click", onClick);
  document.addEventListener("submit", onSubmit, true);
  document.addEventListener("DOMContentLoaded", () => localTimes(document));
  document.addEventListener("htmx:afterSettle", (event) => localTimes(event.target.parentElement || document));
})();
