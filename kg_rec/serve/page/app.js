// The page of the service: find a user, see the list, see why, change it.  Every name is put in as text, never as HTML.
const words = {
  en: { find: "Find a user", language: "Language", token: "Token", paths: "Paths", table: "As a table", share: "Share", path: "Path",
    check: "Check it in the graph", run: "Run this now", without: "What would take it off the list?", history: "What the user did",
    historyHelp: "Untick something to see the list without it. Nothing is written.", list: "For {}", why: "Why {}?", score: "{} for it, {} against it: score {}",
    nothing: "Nothing found", verified: "The graph returns exactly these {} paths.", wrong: "The graph returns other paths.", base: "for everybody",
    leaves: "As the model stands now, without {} it leaves the list.", stays: "No set of interactions takes it off the list.",
    changed: "The list as it would be; nothing is written.", empty: "Nothing is left to recommend.", was: "was {}", fresh: "new here", weigh: "Weigh {}", others: "{} others", you: "the user",
    whyNot: "Why is this item not in the list?", tell: "Tell me", versus: "Why this one, and not …", compare: "Compare", difference: "Difference", rest: "all else", sum: "together",
    feedback: { click: "clicked", like: "liked", buy: "bought" } },
  zh: { find: "查找用户", language: "语言", token: "令牌", paths: "路径", table: "以表格显示", share: "占比", path: "路径",
    check: "在图中核对", run: "立即运行", without: "去掉什么它就不在列表中？", history: "用户做过的事",
    historyHelp: "取消勾选，看看没有它时的列表。不会写入任何内容。", list: "给{}的推荐", why: "为什么是{}？", score: "支持{}，反对{}：得分{}",
    nothing: "没有找到", verified: "图中返回的正是这{}条路径。", wrong: "图中返回的路径不同。", base: "对所有人",
    leaves: "按模型现状，没有{}它就不在列表中。", stays: "去掉任何互动它仍在列表中。",
    changed: "假设的列表；不会写入任何内容。", empty: "没有可推荐的。", was: "原第{}位", fresh: "新出现", weigh: "{}的权重", others: "{}位其他用户", you: "该用户",
    whyNot: "为什么这一项不在列表中？", tell: "查看原因", versus: "为什么是它，而不是……", compare: "比较", difference: "差别", rest: "其余", sum: "合计",
    feedback: { click: "点击", like: "赞", buy: "购买" } },
};
const colours = ["#2a6fbb", "#2e8b6f", "#8a5fb5", "#c0842b", "#b0476a", "#5b7083", "#7a8b2e"];
const $ = (id) => document.getElementById(id);
const state = { lang: "en", user: null, name: "", list: [], item: null, channels: [], explanation: null, removed: new Set(), weights: {} };

const t = (key, ...values) => values.reduce((text, value) => text.replace("{}", value), words[state.lang][key]);
const number = (value, digits = 2) => value.toLocaleString(state.lang === "zh" ? "zh-CN" : "en-GB", { minimumFractionDigits: digits, maximumFractionDigits: digits });
const make = (tag, text, attributes = {}) => {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
};
const colour = (channel) => colours[Math.max(0, state.channels.indexOf(channel)) % colours.length];

async function ask(path, options = {}) {
  const headers = { ...(options.headers || {}) };
  const token = $("token").value;
  if (token) headers.Authorization = `Bearer ${token}`;
  const answer = await fetch(path, { ...options, headers });
  const body = await answer.json().catch(() => ({}));
  if (answer.status === 401) $("token-choice").hidden = false;
  if (!answer.ok) throw new Error(body.detail || answer.statusText);
  return body;
}
const of = (what, more = {}) => `/v1/${what}?${new URLSearchParams({ user: state.user, lang: state.lang, ...more })}`;
// What a person did: what was said before is over, a fault is said. What that calls in turn is not `told`: it would wipe away later words.
const told = (work) => async (...args) => {
  try { $("note").textContent = ""; await work(...args); } catch (error) { $("note").textContent = error.message; }
};

function translate() {
  document.documentElement.lang = state.lang === "zh" ? "zh-Hans" : "en";
  for (const element of document.querySelectorAll("[data-t]")) element.textContent = t(element.dataset.t);
}

// ---- find ----
let typed = 0, matches = [], marked = -1;
function close() { $("matches").hidden = true; $("query").setAttribute("aria-expanded", "false"); $("query").removeAttribute("aria-activedescendant"); marked = -1; }
function mark(place) {
  marked = (place + matches.length) % matches.length;
  [...$("matches").children].forEach((li, n) => li.setAttribute("aria-selected", String(n === marked)));
  $("query").setAttribute("aria-activedescendant", `match-${marked}`);
}
const find = told(async () => {
  const query = $("query").value.trim(), mine = ++typed;
  if (!query) return close();
  const found = await ask(`/v1/search?what=user&q=${encodeURIComponent(query)}`);
  if (mine !== typed) return;
  matches = found.matches;
  $("matches").replaceChildren(...matches.map((match, n) => {
    const li = make("li", match.name, { role: "option", id: `match-${n}`, "aria-selected": "false" });
    if (match.key !== match.name) li.append(" ", make("small", match.key));
    li.addEventListener("mousedown", (event) => { event.preventDefault(); choose(match); });
    return li;
  }));
  if (!matches.length) $("note").textContent = t("nothing");
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
function choose(match) { close(); $("query").value = match.name; open(match.key, match.name); }

// ---- list ----
const open = told(async (key, name) => {
  Object.assign(state, { user: key, name, item: null, removed: new Set(), weights: {} });
  const about = await ask("/v1/version");
  state.channels = ["base", ...about.channels];
  const found = await ask(of("recommendations"));
  state.list = found.items;
  $("list").hidden = false;
  $("why").hidden = true;
  $("why-not").textContent = $("missing").value = "";
  $("list-title").textContent = t("list", name);
  $("weights").replaceChildren(...about.channels.map((channel) => {
    const label = make("label", t("weigh", channel));
    const input = make("input", undefined, { type: "range", min: "0", max: "3", step: "0.1", value: "1" });
    input.addEventListener("change", told(async () => { state.weights[channel] = Number(input.value); state.removed.clear(); await change(); }));
    label.append(input);
    return label;
  }));
  draw(state.list.map((one) => ({ ...one, moved: "" })));
  await history();
  if (state.list.length) await why(state.list[0].item, false); else $("note").textContent = t("empty");
});
function draw(list) {
  const widest = Math.max(...list.map((one) => one.score), 1e-9);
  $("items").replaceChildren(...list.map((one) => {
    const li = make("li"), button = make("button", undefined, { type: "button", "data-item": one.item });
    button.append(make("span", `${one.rank}. ${one.name}`, { class: "name" }), make("span", number(one.score), { class: "moved" }));
    if (one.moved) button.append(make("span", one.moved, { class: "moved" }));
    if (one.channels) {
      const bars = make("div", undefined, { class: "bars", "aria-hidden": "true" });
      for (const [channel, value] of Object.entries({ base: one.base, ...one.channels })) {
        if (value <= 0) continue;
        const bar = make("span", undefined, { title: channel });
        bar.style.width = `${(100 * value) / widest}%`;
        bar.style.background = colour(channel);
        bars.append(bar);
      }
      button.append(bars);
    }
    button.addEventListener("click", told(() => why(one.item, true)));
    li.append(button);
    return li;
  }));
}
async function change() {
  const body = { remove: [...state.removed], weights: state.removed.size ? {} : state.weights };
  if (!state.removed.size && !Object.values(state.weights).some((w) => w !== 1)) return draw(state.list.map((one) => ({ ...one, moved: "" })));
  const found = await ask(of("what-if"), { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  const before = new Map(state.list.map((one) => [one.item, one.rank]));
  draw(found.after.map((one, n) => ({ rank: n + 1, item: one.item, name: one.name, score: one.score,
    moved: before.has(one.item) ? (before.get(one.item) === n + 1 ? "" : t("was", before.get(one.item))) : t("fresh") })));
  $("note").textContent = t("changed");
}

// ---- why ----
async function why(item, focus) {
  state.item = item;
  for (const button of $("items").querySelectorAll("button")) button.setAttribute("aria-current", String(button.dataset.item === item));
  const found = await ask(of("explanation", { item }));
  state.explanation = found;
  const sums = new Map([["base", found.base]]);
  for (const term of found.terms) sums.set(term.channel, (sums.get(term.channel) || 0) + term.value);
  const parts = [found.base, ...found.terms.map((term) => term.value)];
  const good = parts.filter((v) => v > 0).reduce((a, b) => a + b, 0), bad = parts.filter((v) => v < 0).reduce((a, b) => a + b, 0);
  $("why").hidden = false;
  $("why-title").textContent = t("why", found.item_name);
  $("words").textContent = found.text;
  $("sum").textContent = t("score", number(good), number(-bad), number(found.score));
  const widest = Math.max(...[...sums.values()].map(Math.abs), 1e-9);
  $("channels").replaceChildren(...[...sums].map(([channel, value]) => {
    const row = make("div", undefined, { class: "row" });
    const bar = make("i");
    bar.style.width = `${(100 * Math.abs(value)) / widest}%`;
    bar.style.background = value < 0 ? "var(--against)" : colour(channel);
    row.append(make("span", channel === "base" ? t("base") : channel), make("b", number(value)), bar);
    return row;
  }));
  $("paths").tBodies[0].replaceChildren(...found.paths.map((path) => {
    const row = make("tr");
    row.append(make("td", `${number((100 * path.value) / Math.max(good, 1e-9), 1)} %`), make("td", line(path)));
    return row;
  }));
  $("cypher").textContent = `${found.cypher}\n${JSON.stringify(found.parameters, null, 1)}`;
  $("checked").textContent = "";
  $("counterfactual").textContent = "";
  picture();
  $("other").replaceChildren(...state.list.filter((one) => one.item !== item).map((one) => make("option", one.name, { value: one.item })));
  $("versus").hidden = !$("other").options.length;
  $("compared").replaceChildren();
  if (focus) $("why-title").focus();
}
const shown = (node, n) => (node.key === null || node.count > 1 ? t("others", node.count) : n === 0 ? t("you") : node.name ?? node.key ?? "");
const line = (path) => path.nodes.map(shown).join(" — ");
function picture() {
  const found = state.explanation;
  if (!found) return;
  const paths = found.paths.slice(0, 6).filter((path) => path.nodes && path.nodes.length > 1);
  const width = Math.max(240, $("picture").clientWidth), narrow = width < 520, ns = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(ns, "svg"), add = (tag, attributes, text) => {
    const element = document.createElementNS(ns, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    if (text !== undefined) element.textContent = text;
    svg.append(element);
  };
  const cut = (text, most) => ([...text].length > most ? `${[...text].slice(0, most - 1).join("")}…` : text);
  let y = 6;
  for (const path of paths) {
    const nodes = path.nodes, step = narrow ? 0 : width / nodes.length, box = narrow ? width - 2 : step - 26;
    nodes.forEach((node, n) => {
      const x = narrow ? 1 : n * step, top = narrow ? y + n * 42 : y;
      if (n) add("path", { class: "edge", d: narrow ? `M ${width / 2} ${top - 14} V ${top}` : `M ${x - 26} ${top + 14} H ${x}` });
      add("rect", { x, y: top, width: box, height: 28, rx: 4 });
      add("text", { x: x + box / 2, y: top + 19, "text-anchor": "middle" }, cut(String(shown(node, n)), Math.floor(box / 8)));
    });
    y += narrow ? nodes.length * 42 + 8 : 42;
  }
  svg.setAttribute("viewBox", `0 0 ${width} ${y}`);
  svg.setAttribute("width", width);
  svg.setAttribute("height", y);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", paths.map(line).join("; "));
  $("picture").replaceChildren(svg);
}
addEventListener("resize", picture);
$("run").addEventListener("click", told(async () => {
  const found = await ask(of("check", { item: state.item }));
  $("checked").textContent = found.wrong.length ? t("wrong") : t("verified", found.paths);
}));
$("without").addEventListener("click", told(async () => {
  const found = await ask(of("counterfactual", { item: state.item }));
  const names = (found.removed ?? []).map((one) => one.name ?? one);
  $("counterfactual").textContent = names.length ? t("leaves", names.join(", ")) : t("stays");
}));

// ---- why not, and which of two ----
let choices = [];
const items = async (query) => (await ask(`/v1/search?what=item&q=${encodeURIComponent(query)}`)).matches;
$("missing").addEventListener("input", told(async () => {
  const query = $("missing").value.trim();
  if (!query || choices.some((one) => one.name === query)) return;
  choices = await items(query);
  $("found-items").replaceChildren(...choices.map((one) => make("option", undefined, { value: one.name })));
}));
$("ask-item").addEventListener("submit", (event) => { event.preventDefault(); whyNot(); });
const whyNot = told(async () => {
  const query = $("missing").value.trim();
  if (!query) return;
  if (!choices.some((one) => one.name === query)) choices = await items(query);
  const found = choices.find((one) => one.name === query) ?? choices[0];
  $("why-not").textContent = found ? (await ask(of("why-not", { item: found.key }))).text : t("nothing");
});
$("versus").addEventListener("submit", (event) => { event.preventDefault(); compare(); });
const compare = told(async () => {
  const found = await ask(of("versus", { item: state.item, other: $("other").value }));
  const { first, second } = found, shown = found.differences.slice(0, 8);
  const table = make("table"), top = make("thead"), head = make("tr"), body = make("tbody");
  head.append(make("td"), ...[first.item_name, second.item_name, t("difference")].map((text) => make("th", text, { scope: "col" })));
  const row = (name, one, other) => {
    const line = make("tr");
    line.append(make("th", name, { scope: "row" }), ...[one, other, one - other].map((value) => make("td", number(value), { class: "number" })));
    body.append(line);
  };
  row(t("base"), first.base, second.base);
  for (const one of shown) row(one.source_name, one.first, one.second);
  const left = (side) => found[side].score - found[side].base - shown.reduce((sum, one) => sum + one[side], 0);
  row(t("rest"), left("first"), left("second"));
  row(t("sum"), first.score, second.score);
  top.append(head);
  table.append(top, body);
  $("compared").replaceChildren(make("p", found.text), table);
});

// ---- history ----
const detail = (one) => {
  const more = one.feedback ? words[state.lang].feedback[one.feedback] : one.weight;
  return more === null ? one.name : `${one.name} (${more})`;
};
async function history() {
  const found = await ask(of("history"));
  $("did").hidden = false;
  $("history").replaceChildren(...found.items.map((one, n) => {
    const li = make("li"), box = make("input", undefined, { type: "checkbox", id: `did-${n}`, checked: "" });
    box.addEventListener("change", told(async () => { if (box.checked) state.removed.delete(one.item); else state.removed.add(one.item); await change(); }));
    li.append(box, make("label", detail(one), { for: `did-${n}` }));
    return li;
  }));
}
$("lang").addEventListener("change", () => { state.lang = $("lang").value; translate(); if (state.user !== null) open(state.user, state.name); });
if (navigator.language.startsWith("zh")) state.lang = $("lang").value = "zh";
translate();
