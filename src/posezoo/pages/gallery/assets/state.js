// The state of the page, which is kept in its address, so that a link shows the same again.

const FACETS = [
  ["weights", "Weights"],
  ["task", "Task"],
  ["family", "Family"],
  ["approach", "Approach"],
  ["precision", "Precision"],
  ["framework", "Framework"],
  ["license", "License"],
  ["input", "Input, H × W"],
  ["collection", "Collection"],
];
const RANGES = ["accuracy", "gflops"];
const COLORS = { family: "family", task: "task", framework: "framework", approach: "approach" };
const MOST_COMPARED = 4;

// Accuracy and cost, best first.
const PAIRS = [
  ["any_AP", "single_p50_ms"],
  ["any_AP", "network_fps"],
  ["any_AP", "gflops"],
];

const known = Object.keys(axes);

const DEFAULTS = {
  q: "",
  x: "",
  y: "",
  scale: "",
  bubble: axes.mparams ? "mparams" : "none",
  color: new Set(data.models.map((model) => model.facts.family)).size > 14 ? "task" : "family",
  front: "on",
  sort: "",
  view: "",
};
const LISTS = [...FACETS.map(([key]) => key), "hide", "compare"];

let state = read();
let ends = axesFor(rowsOf(data.models, []));

/** The state in the address; values that are not valid are ignored. */
function read() {
  const parameters = new URLSearchParams(location.hash.slice(1));
  const result = { ...DEFAULTS };
  for (const key of Object.keys(DEFAULTS)) if (parameters.has(key)) result[key] = parameters.get(key);
  for (const key of LISTS) result[key] = [...new Set(parameters.getAll(key))];
  for (const key of RANGES) {
    for (const end of ["min", "max"]) {
      const number = parseFloat(parameters.get(`${key}_${end}`));
      result[`${key}_${end}`] = Number.isFinite(number) ? number : undefined;
    }
  }
  for (const key of ["x", "y"]) if (!axes[result[key]]) result[key] = DEFAULTS[key];
  if (result.bubble !== "none" && !axes[result.bubble]) result.bubble = DEFAULTS.bubble;
  if (!Object.hasOwn(COLORS, result.color)) result.color = DEFAULTS.color;
  if (!axes[result.sort.replace(/^-/, "")] && !["name", "-name", "task", "-task"].includes(result.sort)) result.sort = "";
  result.compare = result.compare.filter((name) => byName.has(name)).slice(0, MOST_COMPARED);
  result.precision = result.precision.filter((precision) => PREFERRED.includes(precision));
  return result;
}

/** The address of a state: only what differs from the defaults. */
function address(of) {
  const parameters = new URLSearchParams();
  for (const [key, value] of Object.entries(of)) {
    if (Array.isArray(value)) value.forEach((item) => parameters.append(key, item));
    else if (value !== undefined && value !== DEFAULTS[key]) parameters.set(key, value);
  }
  return parameters.toString();
}

/** Change the state, its address, and what is drawn; with ``step``, the browser can go back. */
function change(changes, { step = false } = {}) {
  state = { ...state, ...changes };
  draw(); // first: some browsers refuse many addresses in a short time
  const hash = `#${address(state)}`;
  if (hash !== (location.hash || "#")) {
    if (step) history.pushState(null, "", hash);
    else history.replaceState(null, "", hash);
  }
}

/** A list with the value added or, if it has the value, removed. */
function toggled(list, value) {
  return list.includes(value) ? list.filter((item) => item !== value) : [...list, value];
}

/** The metrics of the chart's axes: the chosen ones, else the first pair that at least two of these rows have. */
function axesFor(rows) {
  const isChosen = ([y, x]) => (!state.y || y === state.y) && (!state.x || x === state.x);
  const pair = PAIRS.filter(isChosen).find(([y, x]) => rows.filter((row) => row.figures[y] && row.figures[x]).length > 1);
  if (pair) return { x: pair[1], y: pair[0] };
  const count = (key) => rows.filter((row) => row.figures[key]).length;
  const most = (keys) => keys.reduce((best, key) => (count(key) > count(best) ? key : best), keys[0]);
  const costs = known.filter((key) => !axes[key].accuracy);
  const accuracies = known.filter((key) => axes[key].accuracy);
  const x = count("gflops") ? "gflops" : most(costs);
  const y = most(accuracies.length ? accuracies : costs);
  return { x: state.x || x || y, y: state.y || y };
}

/** Whether both axes are of the whole pipeline, or of the network alone, or one of them does not depend on it. */
function haveOneScope() {
  const [x, y] = [axes[ends.x].scope, axes[ends.y].scope];
  return !x || !y || x === y;
}

/** Whether an axis is logarithmic: by default as suits its metric. */
function isLog(end) {
  return axes[ends[end]].log !== state.scale.includes(end);
}
