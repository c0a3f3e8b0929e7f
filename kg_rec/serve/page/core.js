// What all views share: words, numbers, elements, requests.  Every name is put in as text, never as HTML.
import { words } from "./words.js";

export const $ = (id) => document.getElementById(id);
export const state = {
  lang: "en", view: null, user: null, name: "", found: null, list: [], item: null, channels: [], titles: {}, colours: {}, relations: {}, explanation: null,
  removed: new Set(), added: new Map(), weights: {}, requests: [],
};

export const t = (key, ...values) => values.reduce((text, value) => text.replace("{}", () => value), words[state.lang][key]);
export const reaction = (kind) => words[state.lang].feedback[kind] ?? kind;
const locale = () => (state.lang === "zh" ? "zh-CN" : "en-GB");
export const number = (value, digits = 2) => value.toLocaleString(locale(), { minimumFractionDigits: digits, maximumFractionDigits: digits, signDisplay: "negative" });
/** A weight; one that is small is still told apart from none. */
export const small = (value) => (value !== 0 && Math.abs(value) < 0.001 ? value.toPrecision(2) : number(value, 3));
export const day = (seconds) => new Date(1000 * seconds).toLocaleDateString(locale(), { year: "numeric", month: "short", day: "numeric", timeZone: "UTC" });
export const hour = (seconds) => new Date(1000 * seconds).toLocaleString(locale(), { dateStyle: "short", timeStyle: "short", timeZone: "UTC" });
export const moment = (seconds) => new Date(1000 * seconds).toLocaleString(locale(), { dateStyle: "medium", timeStyle: "short" });
export const colour = (channel) => state.colours[channel] ?? "var(--bar)";
export const channelName = (channel) => (channel === "base" ? t("base") : state.titles[channel]?.[state.lang] ?? state.titles[channel]?.en ?? channel);

/** What a relation is called; null stands for likeness, which the model computes. */
export const relationName = (type, alike) => (type !== null ? state.relations[type]?.[state.lang] ?? type.toLowerCase().replaceAll("_", " ")
  : alike ? t("alike", alike.replaceAll("_", " ")) : t("similar"));

/** Where the page is, in the part of the address that is sent to nobody: for links, "back" and "reload". */
export function keepAddress(fresh) {
  const parts = { view: state.view };
  if (state.user !== null) parts.user = state.user;
  if (state.view === "item") parts.item = state.found.key;
  if (state.view === "list" && state.item !== null) parts.item = state.item;
  const place = `#${new URLSearchParams(parts)}`;
  if (place !== location.hash) history[fresh ? "pushState" : "replaceState"](null, "", place);
}

export const make = (tag, text, attributes = {}) => {
  const element = document.createElement(tag);
  if (text !== undefined && text !== null) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
};
export const drawing = (width, height, label) => {
  const element = (tag, attributes, text) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const svg = element("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label });
  return { svg, add: (...what) => svg.append(element(...what)) };
};
const ruler = document.createElement("canvas").getContext("2d");
/** A text as far as it fits into some pixels of a picture. */
export const cut = (text, room) => {
  ruler.font = `13px ${getComputedStyle(document.body).fontFamily}`;
  const letters = [...text];
  if (ruler.measureText(text).width <= room) return text;
  while (letters.length > 1 && ruler.measureText(`${letters.join("")}…`).width > room) letters.pop();
  return `${letters.join("").trimEnd()}…`;
};
/** A text in as many lines as it needs, at most some: parted between words, and cut where it is longer still. */
export const lines = (text, room, most = 3) => {
  const words = text.split(" "), fits = (part) => cut(part, room) === part;
  let first = words.length;
  while (first > 1 && !fits(words.slice(0, first).join(" "))) first -= 1;
  if (most === 1 || first === words.length) return [cut(text, room)];
  return [cut(words.slice(0, first).join(" "), room), ...lines(words.slice(first).join(" "), room, most - 1)];
};

/** A table that becomes one block a row on a phone: columns of [title, value of a row, class]. */
export const table = (columns, rows, caption) => {
  const made = make("table", undefined, { class: columns.length > 4 ? "cards many" : "cards", role: "table" }), top = make("thead", undefined, { role: "rowgroup" });
  const head = make("tr", undefined, { role: "row" }), body = make("tbody", undefined, { role: "rowgroup" });
  if (caption) made.append(make("caption", caption));
  head.append(...columns.map(([title, , kind]) => (title ? make("th", title, { scope: "col", role: "columnheader", class: kind ?? "" }) : make("td", "", { role: "cell" }))));
  body.append(...rows.map((row) => {
    const line = make("tr", undefined, { role: "row" });
    line.append(...columns.map(([title, value, kind], n) => {
      const shown = value(row), header = n === 0;
      const cell = make(header ? "th" : "td", shown instanceof Node ? undefined : shown, { role: header ? "rowheader" : "cell", "data-label": title, class: kind ?? "" });
      if (header) cell.setAttribute("scope", "row");
      if (shown instanceof Node) cell.append(shown);
      return cell;
    }));
    return line;
  }));
  top.append(head);
  made.append(top, body);
  return made;
};
/** What a score is made of, one beside the other: the channels that add to it. */
export const stacked = (channels, widest) => {
  const made = make("div", undefined, { class: "bars", "aria-hidden": "true" });
  for (const [channel, value] of Object.entries(channels)) {
    if (value <= 0) continue;
    const part = make("span", undefined, { title: `${channelName(channel)} ${number(value)}` });
    part.style.width = `${(100 * value) / widest}%`;
    part.style.background = colour(channel);
    made.append(part);
  }
  return made;
};
/** A bar from the middle: to the right for it, to the left against it; from the left where all point one way. */
export const bar = (value, widest, channel, oneWay = false) => {
  const room = make("span", undefined, { class: oneWay ? "bar one-way" : "bar", "aria-hidden": "true" }), part = make("i");
  part.style.width = `${((oneWay ? 100 : 50) * Math.abs(value)) / Math.max(widest, 1e-9)}%`;
  part.style.background = value < 0 ? "var(--against)" : channel ? colour(channel) : "var(--bar)";
  part.className = value < 0 && !oneWay ? "left" : "right";
  room.append(part);
  return room;
};

export async function ask(path, body) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  const token = $("token").value;
  if (token) headers.Authorization = `Bearer ${token}`;
  const answer = await fetch(path, body === undefined ? { headers } : { method: "POST", headers, body: JSON.stringify(body) });
  const found = await answer.json().catch(() => ({}));
  if (answer.status === 401) $("token-choice").hidden = false;
  $("stale").hidden = !answer.headers.has("Warning");
  $("stale").textContent = answer.headers.has("Warning") ? answer.headers.get("Warning").replace(/^\d+ \S+ "|"$/g, "") : "";
  if (!answer.ok) throw new Error(found.detail || answer.statusText);
  return found;
}
export const of = (what, more = {}) => `/v1/${what}?${new URLSearchParams({ user: state.user, lang: state.lang, ...more })}`;
export const search = async (what, query) => (await ask(`/v1/search?what=${what}&q=${encodeURIComponent(query)}`)).matches;
// What a person did: what was said before is over, a fault is said. What that calls in turn is not `told`: it would wipe away later words.
// What lasts longer than a moment says so.
let begun = 0;
export const told = (work) => async (...args) => {
  const mine = ++begun;
  note("");
  const late = setTimeout(() => { if (mine === begun) note(t("working")); }, 400);
  try { await work(...args); } catch (error) { note(error.message, true); }
  clearTimeout(late);
  if (mine === begun && $("note").textContent === t("working")) note("");
};
export const note = (text, fault = false) => { $("note").textContent = text; $("note").classList.toggle("fault", fault); };

/** An input that offers items by name, with their keys where names are alike; what it returns finds the one that was meant. */
export function itemInput(input, offers) {
  let choices = [];
  const offered = (one) => (choices.some((other) => other !== one && other.name === one.name) ? `${one.name} (${one.key})` : one.name);
  const chosen = (query) => choices.find((one) => offered(one) === query);
  input.addEventListener("input", told(async () => {
    const query = input.value.trim();
    if (!query || chosen(query)) return;
    choices = await search("item", query);
    offers.replaceChildren(...choices.map((one) => make("option", undefined, { value: offered(one) })));
  }));
  return async () => {
    const query = input.value.trim();
    if (!query) return null;
    if (!chosen(query)) choices = await search("item", query);
    const found = chosen(query) ?? choices[0];
    if (!found) note(t("nothing"));
    return found ?? null;
  };
}
