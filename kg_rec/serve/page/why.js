// Why an item has its score: words, sums, what speaks for and against it, the picture, the check; and which of two.
import { $, ask, bar, channelName, colour, cut, drawing, lines, make, number, of, relationName, state, t, table, told } from "./core.js";

export async function why(item, focus) {
  const found = await ask(of("explanation", { item }));
  state.item = item;
  state.explanation = found;
  for (const button of $("items").querySelectorAll("button")) button.setAttribute("aria-current", String(button.dataset.item === item));
  $("why").hidden = false;
  $("why-title").textContent = t("why", found.item_name);
  $("words").textContent = found.text;
  $("sum").textContent = t("score", number(found.speaks_for), number(found.speaks_against), number(found.score));
  const sources = new Map();
  for (const term of found.terms) sources.set(term.source_name, (sources.get(term.source_name) || 0) + term.value);
  channelBars($("channels"), found);
  const ordered = [...sources].filter(([, value]) => Math.abs(value) >= 0.005).sort((a, b) => b[1] - a[1]);
  bars($("for"), ordered.filter(([, value]) => value > 0).slice(0, 6));
  bars($("against"), ordered.filter(([, value]) => value < 0).reverse().slice(0, 6));
  if (!$("against").children.length) $("against").append(make("p", t("nothingAgainst")));
  $("paths").replaceChildren(table([
    [t("path"), line],
    [t("share"), (path) => `${number(100 * path.share, 1)} %`, "number"],
  ], found.paths));
  $("cypher").textContent = `${found.cypher}\n${JSON.stringify(found.parameters, null, 1)}`;
  $("checked").textContent = $("counterfactual").textContent = "";
  picture();
  $("other").replaceChildren(...state.list.filter((one) => one.item !== item).map((one) => make("option", one.name, { value: one.item })));
  $("versus").hidden = !$("other").options.length;
  $("compared").replaceChildren();
  if (focus) $("why-title").focus();
}
/** What an explanation's score is made of, by channel. */
export function channelBars(place, found) {
  const sums = new Map([["base", found.base]]);
  for (const term of found.terms) sums.set(term.channel, (sums.get(term.channel) || 0) + term.value);
  bars(place, [...sums].map(([channel, value]) => [channelName(channel), value, channel]));
}
function bars(place, rows) {
  const widest = Math.max(...rows.map(([, value]) => Math.abs(value)), 1e-9);
  const oneWay = rows.every(([, value]) => value >= 0) || rows.every(([, value]) => value <= 0);
  place.replaceChildren(...rows.map(([name, value, channel]) => {
    const row = make("div", undefined, { class: "row" });
    row.append(make("span", name), make("b", number(value)), bar(value, widest, channel, oneWay));
    return row;
  }));
}
const shown = (node, n) => (node.key === null || node.count > 1 ? t("others", node.count) : n === 0 ? t("you") : node.name ?? node.key ?? "");
const step = (path, n) => relationName(path.relations[n - 1].type, path.relations[n - 1].alike);
const line = (path) => path.nodes.map((node, n) => {
  if (!n) return shown(node, n);
  const { type, forward } = path.relations[n - 1], name = step(path, n);
  return `${type === null ? `≈${name}≈` : forward ? `—${name}→` : `←${name}—`} ${shown(node, n)}`;
}).join(" ");

/** The strongest paths, in rows; in columns where there is little room: drawn anew for each width. */
export function picture() {
  const found = state.explanation;
  if (!found || $("why").hidden || !$("picture").clientWidth) return;
  const paths = found.paths.slice(0, 6).filter((path) => path.nodes && path.nodes.length > 1);
  const width = Math.max(240, $("picture").clientWidth), narrow = width < 480, down = 22, gap = 76, first = 68;
  const rest = (path) => (width - 2 - first) / (path.nodes.length - 1), size = (path, n) => (narrow ? width - 2 : n ? rest(path) - gap : first);
  const texts = paths.map((path) => path.nodes.map((node, n) => lines(String(shown(node, n)), size(path, n) - 12)));
  const boxes = texts.map((row) => Math.max(...row.map((text) => 12 + 16 * text.length))); // the height of all boxes of a path
  const heights = paths.map((path, row) => (narrow ? path.nodes.length * (boxes[row] + down) : boxes[row] + 18));
  const { svg, add } = drawing(width, heights.reduce((a, b) => a + b, 8), paths.map(line).join("; "));
  let y = 6;
  paths.forEach((path, row) => {
    path.nodes.forEach((node, n) => {
      const box = size(path, n), tall = boxes[row], x = !narrow && n ? 1 + first + (n - 1) * rest(path) + gap : 1, top = narrow ? y + n * (tall + down) : y, at = top + tall / 2;
      if (n) {
        const { type, forward } = path.relations[n - 1], middle = width / 2, from = narrow ? top - down : x - gap;
        const head = type === null ? "" : narrow ? (forward ? `M ${middle - 4} ${top - 6} L ${middle} ${top - 1} L ${middle + 4} ${top - 6}` : `M ${middle - 4} ${from + 6} L ${middle} ${from + 1} L ${middle + 4} ${from + 6}`)
          : forward ? `M ${x - 6} ${at - 4} L ${x - 1} ${at} L ${x - 6} ${at + 4}` : `M ${from + 5} ${at - 4} L ${from} ${at} L ${from + 5} ${at + 4}`;
        const along = narrow ? `M ${middle} ${from} V ${top}` : `M ${from - 1} ${at} H ${x}`;
        add("path", { class: type === null ? "edge like" : "edge", stroke: colour(path.channel), d: `${along} ${head}` });
        add("text", { class: "small", ...(narrow ? { x: middle + 9, y: top - 7 } : { x: x - gap / 2, y: at - 5, "text-anchor": "middle" }) }, cut(step(path, n), narrow ? middle - 12 : 1.18 * (gap - 8)));
      }
      add("rect", { x, y: top, width: box - 1, height: tall, rx: 4, class: n === 0 || n === path.nodes.length - 1 ? "end" : "" });
      texts[row][n].forEach((text, k, all) => add("text", { x: x + box / 2, y: at + 5 + 16 * (k - (all.length - 1) / 2), "text-anchor": "middle" }, text));
    });
    y += heights[row];
  });
  $("picture").replaceChildren(svg);
}
$("run").addEventListener("click", told(async () => {
  const found = await ask(of("check", { item: state.item }));
  const told = [t("verified", found.paths - found.by_likeness)];
  if (found.by_likeness) told.push(t("byLikeness", found.by_likeness));
  if (found.by_feedback) told.push(t("byFeedback", found.by_feedback));
  $("checked").textContent = found.wrong.length ? t("wrong") : told.join(state.lang === "zh" ? "" : " ");
}));
$("without").addEventListener("click", told(async () => {
  const found = await ask(of("counterfactual", { item: state.item }));
  const names = (found.removed ?? []).map((one) => one.name ?? one);
  $("counterfactual").textContent = names.length ? t("leaves", names.join(t("comma"))) : t("stays");
}));

// ---- which of two ----
$("versus").addEventListener("submit", (event) => { event.preventDefault(); compare(); });
const compare = told(async () => {
  const found = await ask(of("versus", { item: state.item, other: $("other").value }));
  const { first, second } = found, most = found.differences.slice(0, 8);
  const left = (side) => found[side].score - found[side].base - most.reduce((sum, one) => sum + one[side], 0);
  const rows = [[t("base"), first.base, second.base], ...most.map((one) => [one.source_name, one.first, one.second]),
    [t("rest"), left("first"), left("second")], [t("sum"), first.score, second.score]];
  $("compared").replaceChildren(make("p", found.text), table([
    ["", (row) => row[0]],
    [first.item_name, (row) => number(row[1]), "number"],
    [second.item_name, (row) => number(row[2]), "number"],
    [t("difference"), (row) => number(row[1] - row[2]), "number"],
  ], rows));
});
