// What a user likes and avoids; clauses can be struck and others added, to see the list that makes.
import { $, ask, bar, make, note, number, of, state, t, table, told } from "./core.js";

let struck = new Set(), said = [];

export async function open() {
  struck = new Set();
  said = [];
  $("profile-title").textContent = t("profileOf", state.name);
  $("sentence").value = "";
  await Promise.all([clauses(), edited(await ask(of("preferences")))]);
}
async function clauses() {
  const found = await ask(of("profile"));
  const widest = Math.max(...found.clauses.map((one) => Math.abs(one.value)), 1e-9);
  for (const likes of [true, false]) {
    const some = found.clauses.filter((one) => one.likes === likes);
    $(likes ? "likes" : "avoids").replaceChildren(...some.map((one) => clause(one, widest)));
    if (!some.length) $(likes ? "likes" : "avoids").append(make("li", t("none")));
  }
}
function clause(one, widest) {
  const li = make("li"), button = make("button", t("strike"), { type: "button", "aria-pressed": "false", "aria-label": `${t("strike")}: ${one.feature.name}` });
  const more = make("details");
  more.append(make("summary", t("check")), make("pre", `${one.cypher}\n${JSON.stringify(one.parameters, null, 1)}`, { tabindex: "0" }));
  button.addEventListener("click", told(async () => {
    const on = !struck.delete(one.feature.name);
    if (on) struck.add(one.feature.name);
    button.setAttribute("aria-pressed", String(on));
    button.textContent = t(on ? "struck" : "strike");
    li.classList.toggle("struck", on);
    await attempt(false);
  }));
  const row = make("div", undefined, { class: "row" });
  row.append(make("b", number(one.value)), bar(one.value, widest), button);
  li.append(make("p", one.text), row, more);
  return li;
}
async function attempt(keep, forget = false) {
  const body = { strike: [...struck], say: said, keep, forget, lang: state.lang };
  edited(await ask(of("preferences"), body));
  note(t(forget ? "forgotten" : keep ? "kept" : "tried"));
}
function edited(found) {
  $("said").replaceChildren(...found.preferences.map((one) => make("li", one.text)), ...found.remarks.map((one) => make("li", one, { class: "remark" })));
  $("said-title").hidden = !$("said").children.length;
  const fresh = new Set(found.entered.map((one) => one.item));
  const plain = found.items.every((row) => row.addends.length < 2);
  $("edited").replaceChildren(table([
    ["", (row) => `${row.rank}. ${row.name}`],
    [t(plain ? "total" : "made"), (row) => plain ? number(row.score) : row.addends.map((one) => `${one.text.replace(/[.。]$/, "")} ${number(one.value)}`).join(" · ")],
    ["", (row) => (fresh.has(row.item) ? t("fresh") : "")],
  ], found.items));
  $("went").textContent = found.left.length ? t("wentOut", found.left.map((one) => one.name).join(t("comma"))) : "";
}
$("say").addEventListener("submit", (event) => { event.preventDefault(); speak(); });
const speak = told(async () => {
  const text = $("sentence").value.trim();
  if (text) said = [...said, text];
  await attempt(false);
  $("sentence").value = "";
});
$("keep").addEventListener("click", told(async () => {
  const text = $("sentence").value.trim();
  if (text) said = [...said, text];
  await attempt(true);
  $("sentence").value = "";
  struck = new Set();
  said = [];
  await clauses();
}));
$("forget").addEventListener("click", told(async () => {
  struck = new Set();
  said = [];
  await attempt(true, true);
  await clauses();
}));
