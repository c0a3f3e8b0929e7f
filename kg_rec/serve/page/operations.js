// For operators: the model and its states, runs, drift, feedback, fairness.  Each part is asked for by itself.
import { $, ask, bar, channelName, day, make, moment, number, reaction, relationName, small, state, t, table } from "./core.js";
import { course, windows } from "./time.js";

let drifted = null;
const parts = { models, runs, drift, reactions, fairness };

export async function open() {
  drifted = null;
  await Promise.all(Object.entries(parts).map(async ([name, draw]) => {
    const place = $(`of-${name}`);
    try {
      const found = await ask(`/v1/${name}?lang=${state.lang}`);
      place.replaceChildren(...draw(found));
    } catch (error) { place.replaceChildren(make("p", error.message, { class: "remark" })); }
  }));
  picture();
}
export function picture() { if (drifted && $("drift-picture")) course($("drift-picture"), drifted); }

function models(found) {
  const weights = Object.entries(found.weights).map(([channel, weight]) => ({ channel, weight, fresh: found.new_weights[channel], alone: found.alone[channel] }));
  const widest = Math.max(...weights.map((one) => one.weight), 1e-9);
  return [
    make("p", t("served", number(found.users, 0), number(found.items, 0), number(found.interactions, 0), number(found.valid_ndcg, 4))),
    table([
      [t("channel"), (row) => channelName(row.channel)],
      [t("weight"), (row) => small(row.weight), "number"],
      ["", (row) => bar(row.weight, widest, row.channel, true), "wide"],
      [t("newWeight"), (row) => (row.fresh === undefined ? "–" : small(row.fresh)), "number"],
      [t("alone"), (row) => (row.alone === undefined ? "–" : number(row.alone, 4)), "number"],
    ], weights),
    table([
      [t("state"), (row) => String(row.state)],
      [t("since"), (row) => moment(row.since)],
      [t("trained"), (row) => moment(row.trained)],
    ], found.states, t("states")),
  ];
}
function runs(found) {
  if (!found.runs.length) return [make("p", t("noRuns"))];
  const figure = (value, digits) => (value === null ? "–" : number(value, digits));
  return [table([
    [t("job"), (row) => row.job],
    [t("state"), (row) => [t("runStates")[row.state] ?? row.state, row.error].filter(Boolean).join(": ")],
    [t("started"), (row) => moment(Date.parse(row.started) / 1000)],
    [t("users"), (row) => figure(row.users, 0), "number"],
    [t("rows"), (row) => figure(row.rows, 0), "number"],
    [t("moved"), (row) => figure(row.drift, 3), "number"],
  ], found.runs)];
}
function drift(found) {
  drifted = found;
  const more = make("details");
  more.append(make("summary", t("table")), windows(found));
  return [make("p", found.text), make("div", undefined, { id: "drift-picture" }), more];
}
function reactions(found) {
  const kinds = Object.entries(found.kinds), most = Math.max(...kinds.map(([, count]) => count), 1);
  const told = kinds.length ? table([
    [t("kind"), ([kind]) => reaction(kind)],
    [t("count"), ([, count]) => number(count, 0), "number"],
    ["", ([, count]) => bar(count, most, null, true), "wide"],
  ], kinds) : make("p", t("noReactions"));
  const lessons = found.lessons.length ? table([
    [t("lesson"), (row) => (row.until > 0 ? day(row.until) : "–")],
    [t("group"), (row) => row.segment || t("base")],
    [t("observed"), (row) => number(row.observed, 0), "number"],
    [t("weight"), (row) => row.weights.map((one) => `${channelName(one.channel)} ${number(one.weight)} ± ${number(one.deviation)}`).join(" · ")],
  ], found.lessons) : make("p", t("noLessons"));
  return [told, lessons];
}
function fairness({ audit: found }) {
  if (!found) return [make("p", t("noAudit"))];
  const widest = (rows, value) => Math.max(...rows.map((row) => Math.abs(value(row))), 1e-9);
  const gaps = [...found.gaps].sort((a, b) => Number(b.telling) - Number(a.telling)).slice(0, 20), most = widest(gaps, (row) => row.gap);
  const band = (name) => t("bands").reduce((told, [form, said]) => told.replace(form, said), name);
  const group = (row) => `${t("groupings")[row.by] ?? (row.by in state.relations ? relationName(row.by) : row.by)}: ${band(row.group)}`;
  const mark = (row) => (row.telling ? t("telling") : "");
  return [
    make("p", t("audited", number(found.users, 0), number(found.items, 0), found.k, t("protocols")[found.protocol] ?? found.protocol)),
    table([
      [t("group"), group],
      [t("measure"), (row) => t("measures")[row.measure] ?? row.measure],
      [t("gap"), (row) => number(row.gap, 4), "number"],
      [t("interval"), (row) => row.gap_interval.map((value) => number(value, 4)).join(" … "), "number"],
      ["", (row) => bar(row.gap, most), "wide"],
      ["", mark],
    ], gaps, t("gaps")),
    table([
      [t("group"), group],
      [t("ratio"), (row) => (row.ratio === null ? "–" : number(row.ratio)), "number"],
      [t("gap"), (row) => number(row.gap, 4), "number"],
      ["", mark],
    ], found.exposure, t("exposure")),
  ];
}
