// A user, or everybody, over time.
import { $, ask, day, drawing, number, of, state, t, table } from "./core.js";

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

const ends = (window) => t("window", day(window.first), day(window.last));
export const windows = (evolution) => table([
  [t("feature"), (row) => row.feature.name],
  ...evolution.windows.map((window, n) => [ends(window), (row) => t("liked", row.counts[n], window.total), "number"]),
], evolution.features);

/** A row a feature, a bar a window: the share of what was liked then; drawn anew for each width. */
export function course(place, evolution) {
  if (!place.clientWidth) return;
  const width = Math.max(240, place.clientWidth), narrow = width < 620, side = narrow ? 0 : 170, high = 46, head = narrow ? 22 : 0;
  const { windows, features } = evolution, room = (width - side) / Math.max(windows.length, 1), row = high + head + 14;
  const share = (one, n) => one.counts[n] / Math.max(windows[n].total, 1);
  const most = Math.max(...features.flatMap((one) => windows.map((_, n) => share(one, n))), 1e-9);
  const { svg, add } = drawing(width, features.length * row + 24, features.map((one) => one.text || one.feature.name).join(" "));
  features.forEach((one, r) => {
    const top = r * row, ground = top + head + high;
    add("text", { x: 0, y: narrow ? top + 15 : ground - 4, class: "name" }, one.feature.name.length > 22 && !narrow ? `${one.feature.name.slice(0, 21)}…` : one.feature.name);
    windows.forEach((_, n) => {
      const tall = (high - 16) * (share(one, n) / most), x = side + n * room + 2;
      add("rect", { x, y: ground - tall, width: room - 6, height: Math.max(tall, 1), class: "fill" });
      add("text", { x: x + (room - 6) / 2, y: ground - tall - 4, "text-anchor": "middle", class: "small" }, `${number(100 * share(one, n), 1)} %`);
    });
    add("path", { class: "edge", d: `M ${side} ${ground} H ${width}` });
  });
  windows.forEach((window, n) => add("text", { x: side + n * room + (room - 6) / 2, y: features.length * row + 14, "text-anchor": "middle", class: "small" },
    narrow ? new Date(1000 * window.first).toISOString().slice(2, 10) : day(window.first)));
  place.replaceChildren(svg);
}
