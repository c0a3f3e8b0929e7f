// A user, or everybody, over time.
import { $, ask, cut, day, drawing, hour, number, of, relationName, state, t, table } from "./core.js";

let found = null;

export async function open() {
  found = null;
  $("time-title").textContent = t("timeOf", state.name);
  found = await ask(of("evolution"));
  $("time-text").textContent = found.text;
  picture();
  $("time-table").replaceChildren(windows(found));
}
export function picture() { if (found) course($("time-picture"), found); }

/** How the times of some windows are told: by day, and by hour where two of them begin on one day. */
const clock = (windows) => (windows.some((one, n) => n && day(one.first) === day(windows[n - 1].first)) ? hour : day);
/** The name of a feature; of those with one name, such as who acts and directs, each with its relation. */
const named = ({ name, relation }, features) => (relation && features.filter((one) => one.feature.name === name).length > 1 ? `${name} (${relationName(relation)})` : name);
export const windows = (evolution) => table([
  [t("feature"), (row) => named(row.feature, evolution.features)],
  ...evolution.windows.map((window, n) => [t("window", ...[window.first, window.last].map(clock(evolution.windows))), (row) => t("liked", row.counts[n], window.total), "number"]),
], evolution.features);

/** A row a feature, a bar a window: the share of what was liked then; drawn anew for each width. */
export function course(place, evolution) {
  if (!place.clientWidth) return;
  const width = Math.max(240, place.clientWidth), narrow = width < 620, side = narrow ? 0 : 215, high = 46, head = narrow ? 22 : 0;
  const { windows, features } = evolution, room = (width - side) / Math.max(windows.length, 1), row = high + head + 14;
  const share = (one, n) => one.counts[n] / Math.max(windows[n].total, 1);
  const most = Math.max(...features.flatMap((one) => windows.map((_, n) => share(one, n))), 1e-9);
  const { svg, add } = drawing(width, features.length * row + 24, features.map((one) => one.text || one.feature.name).join(" "));
  features.forEach((one, r) => {
    const top = r * row, ground = top + head + high;
    add("text", { x: 0, y: narrow ? top + 15 : ground - 4, class: "name" }, cut(named(one.feature, features), (narrow ? width : side) - 20));
    windows.forEach((_, n) => {
      const tall = (high - 16) * (share(one, n) / most), x = side + n * room + 2;
      add("rect", { x, y: ground - tall, width: room - 6, height: Math.max(tall, 1), class: "fill" });
      add("text", { x: x + (room - 6) / 2, y: ground - tall - 4, "text-anchor": "middle", class: "small" }, `${number(100 * share(one, n), 1)} %`);
    });
    add("path", { class: "edge", d: `M ${side} ${ground} H ${width}` });
  });
  windows.forEach((window, n) => add("text", { x: side + n * room + (room - 6) / 2, y: features.length * row + 14, "text-anchor": "middle", class: "small" },
    narrow ? new Date(1000 * window.first).toISOString().slice(...(clock(windows) === hour ? [5, 16] : [2, 10])).replace("T", " ") : clock(windows)(window.first)));
  place.replaceChildren(svg);
}
