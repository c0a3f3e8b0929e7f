// An item: what goes with it, and why it has its score for the user at hand.
import { $, ask, channelName, colour, make, number, of, state, t, table } from "./core.js";
import { bars } from "./why.js";

export async function open() {
  const one = state.found;
  $("item-title").textContent = t("itemOf", one.name);
  const found = await ask(`/v1/similar?${new URLSearchParams({ item: one.key, k: 10 })}`);
  const widest = Math.max(...found.items.map((row) => row.score), 1e-9);
  $("similar").replaceChildren(found.items.length ? table([
    ["", (row) => row.name],
    [t("total"), (row) => number(row.score), "number"],
    ["", (row) => stacked(row.channels, widest), "wide"],
  ], found.items) : make("p", t("nothingLike")));
  $("legend").replaceChildren(...state.channels.slice(1).map((channel) => {
    const part = make("span", channelName(channel)), mark = make("i");
    mark.style.background = colour(channel);
    part.prepend(mark);
    return part;
  }));
  $("item-why").hidden = state.user === null;
  if (state.user === null) return;
  const reason = await ask(of("explanation", { item: one.key }));
  $("item-why-title").textContent = t("whyFor", state.name);
  $("item-words").textContent = reason.text;
  const sums = new Map([["base", reason.base]]);
  for (const term of reason.terms) sums.set(term.channel, (sums.get(term.channel) || 0) + term.value);
  bars($("item-channels"), [...sums].map(([channel, value]) => [channelName(channel), value, channel]));
}
function stacked(channels, widest) {
  const made = make("div", undefined, { class: "bars", "aria-hidden": "true" });
  for (const [channel, value] of Object.entries(channels)) {
    if (value <= 0) continue;
    const part = make("span", undefined, { title: `${channelName(channel)} ${number(value)}` });
    part.style.width = `${(100 * value) / widest}%`;
    part.style.background = colour(channel);
    made.append(part);
  }
  return made;
}
