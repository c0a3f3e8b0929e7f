// Requests in words, one after the other; the service keeps none of them.
import { $, ask, make, number, of, state, t, table, told } from "./core.js";

export async function open() {
  $("ask-title").textContent = t("askOf", state.name);
  if (!state.requests.length) clear();
}
function clear() {
  state.requests = [];
  $("turns").replaceChildren();
  $("answer").replaceChildren();
  $("remarks").textContent = "";
}
const addend = (one) => `${one.kind === "yours" ? t("yours") : one.said && one.said !== one.about ? `${one.said} → ${one.about}` : one.about} ${number(one.value)}`;
$("again").addEventListener("click", () => { clear(); $("request").focus(); });
$("asking").addEventListener("submit", (event) => { event.preventDefault(); send(); });
const send = told(async () => {
  const text = $("request").value.trim();
  if (!text) return;
  const found = await ask(of("ask"), { text, after: state.requests.slice(-20) });
  state.requests.push(text);
  $("turns").append(make("li", text));
  $("request").value = "";
  $("remarks").textContent = found.items.length ? found.remarks.join(" ") : found.text;
  $("answer").replaceChildren(...(found.items.length ? [table([
    ["", (row) => `${row.rank}. ${row.name}`],
    [t("made"), (row) => row.addends.map(addend).join(" · ")],
    [t("total"), (row) => number(row.score), "number"],
  ], found.items)] : []));
});
