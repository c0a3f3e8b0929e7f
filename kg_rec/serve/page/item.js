// An item: what goes with it, and why it has its score for the user at hand.
import { $, ask, channelName, colour, make, number, of, stacked, state, t, table } from "./core.js";
import { channelBars } from "./why.js";

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
  channelBars($("item-channels"), reason);
}
