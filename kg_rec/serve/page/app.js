// The page of the service: what is found by typing, which view is shown, in which language.
import { $, ask, keepAddress, make, search, state, t, told, note } from "./core.js";
import * as list from "./list.js";
import { picture } from "./why.js";
import * as profile from "./profile.js";
import * as time from "./time.js";
import * as words from "./ask.js";
import * as item from "./item.js";
import * as operations from "./operations.js";

const views = { list, profile, time, ask: words, item, operations };
const ofUser = ["list", "profile", "time", "ask"];

function translate() {
  document.documentElement.lang = state.lang === "zh" ? "zh-Hans" : "en";
  for (const element of document.querySelectorAll("[data-t]")) element.textContent = t(element.dataset.t);
  for (const element of document.querySelectorAll("[data-hint]")) element.placeholder = t(element.dataset.hint);
}
async function show(name) {
  state.view = name;
  for (const view of Object.keys(views)) {
    $(`view-${view}`).hidden = view !== name;
    const link = $(`to-${view}`);
    link.hidden = (ofUser.includes(view) && state.user === null) || (view === "item" && state.found === null);
    if (view === name) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  }
  $("welcome").hidden = name !== null;
  document.title = [name !== null && ofUser.includes(name) ? state.name : name === "item" ? state.found.name : "", "kg_rec"].filter(Boolean).join(" · ");
  if (name !== null) await views[name].open();
}
const open = told(async (name) => {
  if (state.channels.length === 0) {
    const served = await ask("/v1/version");
    Object.assign(state, { channels: ["base", ...served.channels], titles: served.titles, colours: served.colours, relations: served.relations });
  }
  await show(name);
});
function visit(name) {
  state.view = name;
  keepAddress(true);
  return open(name);
}
for (const name of Object.keys(views)) $(`to-${name}`).addEventListener("click", () => visit(name));
/** The view that the address names. */
const follow = told(async () => {
  const parts = new URLSearchParams(location.hash.slice(1)), name = parts.get("view"), user = parts.get("user"), item = parts.get("item") || null;
  const named = async (what, key) => (await search(what, key)).find((one) => one.key === key)?.name ?? key;
  if (user !== null && user !== state.user) Object.assign(state, { user, name: await named("user", user), requests: [] });
  if (name === "item" && item !== null && item !== state.found?.key) state.found = { key: item, name: await named("item", item) };
  if (name === "list") state.item = item;
  const there = name in views && !(ofUser.includes(name) && state.user === null) && !(name === "item" && state.found === null);
  await open(there ? name : null);
});
addEventListener("popstate", follow);

// ---- find ----
let typed = 0, matches = [], marked = -1;
function close() { $("matches").hidden = true; $("query").setAttribute("aria-expanded", "false"); $("query").removeAttribute("aria-activedescendant"); marked = -1; }
function mark(place) {
  marked = (place + matches.length) % matches.length;
  [...$("matches").children].forEach((li, n) => li.setAttribute("aria-selected", String(n === marked)));
  $("query").setAttribute("aria-activedescendant", `match-${marked}`);
  $(`match-${marked}`).scrollIntoView({ block: "nearest" });
}
const find = told(async () => {
  const query = $("query").value.trim(), mine = ++typed;
  if (!query) return close();
  const [users, items] = await Promise.all(["user", "item"].map((what) => search(what, query)));
  if (mine !== typed) return;
  matches = [...users.map((one) => ({ ...one, what: "user" })), ...items.map((one) => ({ ...one, what: "item" }))]
    .sort((a, b) => b.score - a.score).slice(0, 12);
  $("matches").replaceChildren(...matches.map((match, n) => {
    const li = make("li", match.name, { role: "option", id: `match-${n}`, "aria-selected": "false" });
    li.append(" ", make("small", match.key === match.name ? t(match.what === "user" ? "isUser" : "isItem") : `${t(match.what === "user" ? "isUser" : "isItem")} ${match.key}`));
    li.addEventListener("mousedown", (event) => { event.preventDefault(); choose(match); });
    return li;
  }));
  if (!matches.length) note(t("nothing"));
  $("matches").hidden = !matches.length;
  $("query").setAttribute("aria-expanded", String(matches.length > 0));
});
$("query").addEventListener("input", find);
$("query").addEventListener("blur", close);
$("query").addEventListener("keydown", (event) => {
  if (event.key === "Escape") close();
  else if (event.key === "ArrowDown" && matches.length) { event.preventDefault(); mark(marked + 1); }
  else if (event.key === "ArrowUp" && matches.length) { event.preventDefault(); mark(marked < 0 ? -1 : marked - 1); }
});
$("find").addEventListener("submit", (event) => { event.preventDefault(); if (matches.length) choose(matches[Math.max(0, marked)]); });
function choose(match) {
  close();
  $("query").value = match.name;
  if (match.what === "item") { state.found = match; return visit("item"); }
  Object.assign(state, { user: match.key, name: match.name, item: null, requests: [], removed: new Set(), added: new Map(), weights: {} });
  return visit(ofUser.includes(state.view) ? state.view : "list");
}

$("lang").addEventListener("change", () => { state.lang = $("lang").value; translate(); if (state.view !== null) open(state.view); });
$("token").addEventListener("change", follow);
let width = 0; // pictures are drawn anew for another width, not for another height
addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; picture(); time.picture(); operations.picture(); } });
if (navigator.language.startsWith("zh")) state.lang = $("lang").value = "zh";
translate();
follow();
