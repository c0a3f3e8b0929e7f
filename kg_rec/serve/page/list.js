// A user's list, what the user did, and how the list would be otherwise.
import { $, ask, channelName, itemInput, keepAddress, make, note, number, of, reaction, stacked, state, t, told } from "./core.js";
import { why } from "./why.js";

export async function open() {
  Object.assign(state, { removed: new Set(), added: new Map(), weights: {} });
  const found = await ask(of("recommendations"));
  state.list = found.items;
  $("why").hidden = true;
  $("why-not").textContent = $("missing").value = $("more").value = "";
  $("list-title").textContent = t("listFor", state.name);
  sliders();
  draw(state.list.map((one) => ({ ...one, moved: "" })));
  await history();
  if (state.list.length) await why(state.item ?? state.list[0].item, false); else note(t("empty"));
}
function sliders() {
  $("weights").replaceChildren(...state.channels.map((channel) => {
    const label = make("label", channelName(channel)), value = make("output", "× 1.0");
    const input = make("input", undefined, { type: "range", min: "0", max: "3", step: "0.1", value: "1", "aria-label": t("weigh", channelName(channel)) });
    input.addEventListener("input", () => { value.textContent = `× ${number(Number(input.value), 1)}`; });
    input.addEventListener("change", told(async () => {
      if (state.removed.size || state.added.size) { state.removed.clear(); state.added.clear(); await history(); } // one question at a time
      state.weights[channel] = Number(input.value);
      await change();
    }));
    label.append(input, value);
    return label;
  }));
}
function draw(list) {
  const good = (one) => [one.base, ...Object.values(one.channels)].reduce((sum, value) => sum + Math.max(value, 0), 0);
  const widest = Math.max(...list.filter((one) => one.channels).map(good), 1e-9);
  $("items").replaceChildren(...list.map((one) => {
    const li = make("li"), button = make("button", undefined, { type: "button", "data-item": one.item });
    button.append(make("span", `${one.rank}. ${one.name}`, { class: "name" }), make("span", number(one.score), { class: "moved" }));
    if (one.moved) button.append(make("span", one.moved, { class: "moved" }));
    if (one.channels) button.append(stacked({ base: one.base, ...one.channels }, widest));
    button.setAttribute("aria-current", String(one.item === state.item));
    button.addEventListener("click", told(async () => { await why(one.item, true); keepAddress(false); if (otherwise()) note(t("changed")); }));
    li.append(button);
    return li;
  }));
}
/** What is asked of a list that is not as it is: other interactions, or other weights; null of the list as it is. */
function otherwise() {
  const weights = Object.fromEntries(Object.entries(state.weights).filter(([, weight]) => weight !== 1));
  const body = { remove: [...state.removed], add: [...state.added.keys()], weights };
  return body.remove.length || body.add.length || Object.keys(weights).length ? body : null;
}
async function change() {
  const body = otherwise();
  if (!body) return draw(state.list.map((one) => ({ ...one, moved: "" })));
  const found = await ask(of("what-if"), body);
  const before = new Map(state.list.map((one) => [one.item, one.rank]));
  draw(found.after.map((one, n) => ({ rank: n + 1, item: one.item, name: one.name, score: one.score,
    moved: before.has(one.item) ? (before.get(one.item) === n + 1 ? "" : t("was", before.get(one.item))) : t("fresh") })));
  note(t("changed"));
}
async function changed() {
  if (Object.keys(state.weights).length) { state.weights = {}; sliders(); }
  await change();
}

// ---- history ----
const detail = (one) => {
  const more = [one.feedback ? reaction(one.feedback) : one.weight, one.liked ? null : t("notLiked")].filter((part) => part !== null && part !== undefined);
  return more.length ? `${one.name} (${more.join(t("comma"))})` : one.name;
};
const tick = (id, text, off) => {
  const li = make("li"), box = make("input", undefined, { type: "checkbox", id });
  box.checked = true;
  box.addEventListener("change", told(() => off(box.checked, li)));
  li.append(box, make("label", text, { for: id }));
  return li;
};
let did = [], whole = false;
async function history() {
  did = (await ask(of("history"))).items;
  whole = false;
  rows();
}
function rows() {
  const added = [...state.added].map(([key, name], n) => tick(`added-${n}`, `${name} (${t("added")})`, async (_, li) => { state.added.delete(key); li.remove(); await changed(); }));
  const some = whole ? did : did.slice(0, 30);
  const had = some.map((one, n) => {
    const li = tick(`did-${n}`, detail(one), async (there) => { if (there) state.removed.delete(one.item); else state.removed.add(one.item); await changed(); });
    li.firstChild.checked = !state.removed.has(one.item);
    return li;
  });
  $("history").replaceChildren(...added, ...had);
  $("all").hidden = some.length === did.length;
  $("all").textContent = t("all", did.length);
}
$("all").addEventListener("click", () => { whole = true; rows(); });
const more = itemInput($("more"), $("more-items"));
$("add").addEventListener("submit", (event) => { event.preventDefault(); add(); });
const add = told(async () => {
  const found = await more();
  if (!found) return;
  state.added.set(found.key, found.name);
  try { await changed(); } catch (error) { state.added.delete(found.key); throw error; }
  $("more").value = "";
  rows();
});

// ---- why not ----
const missing = itemInput($("missing"), $("found-items"));
$("ask-item").addEventListener("submit", (event) => { event.preventDefault(); whyNot(); });
const whyNot = told(async () => {
  const found = await missing();
  $("why-not").textContent = found ? (await ask(of("why-not", { item: found.key }))).text : "";
});
