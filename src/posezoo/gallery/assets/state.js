// What is looked at, and its twin in the address, so that a link shows the same again.

const FACETS = [
  ["task", "Task"],
  ["family", "Family"],
  ["approach", "Sees people"],
  ["precision", "Precision"],
  ["framework", "Framework"],
  ["license", "Licence"],
  ["input", "Input, H × W"],
  ["collection", "Collection"],
];
const RANGES = ["accuracy", "gflops"];
const COLORS = { family: "family", task: "task", framework: "framework", approach: "how people are seen" };
const MOST_COMPARED = 4;

const known = Object.keys(axes);

const DEFAULTS = {
  q: "",
  x: "",
  y: "",
  scale: "",
  bubble: axes.mparams ? "mparams" : "none",
  color: data.families > 14 ? "task" : "family",
  front: "on",
  sort: "",
  view: "",
};
const LISTS = [...FACETS.map(([key]) => key), "hide", "compare"];

let state = read();
let ends = axesFor(rowsOf(data.models, []));

/** The state that the address tells; whatever it says wrongly is as if it were not said. */
function read() {
  const said = new URLSearchParams(location.hash.slice(1));
  const found = { ...DEFAULTS };
  for (const key of Object.keys(DEFAULTS)) if (said.has(key)) found[key] = said.get(key);
  for (const key of LISTS) found[key] = [...new Set(said.getAll(key))];
  for (const key of RANGES) {
    for (const end of ["min", "max"]) {
      const number = parseFloat(said.get(`${key}_${end}`));
      found[`${key}_${end}`] = Number.isFinite(number) ? number : undefined;
    }
  }
  for (const key of ["x", "y"]) if (!axes[found[key]]) found[key] = DEFAULTS[key];
  if (found.bubble !== "none" && !axes[found.bubble]) found.bubble = DEFAULTS.bubble;
  if (!Object.hasOwn(COLORS, found.color)) found.color = DEFAULTS.color;
  if (!axes[found.sort.replace(/^-/, "")] && !["name", "-name", "task", "-task"].includes(found.sort)) found.sort = "";
  found.compare = found.compare.filter((name) => byName.has(name)).slice(0, MOST_COMPARED);
  found.precision = found.precision.filter((each) => PREFERRED.includes(each));
  return found;
}

/** The address of a state: only what differs from the beginning. */
function address(of) {
  const said = new URLSearchParams();
  for (const [key, value] of Object.entries(of)) {
    if (Array.isArray(value)) value.forEach((each) => said.append(key, each));
    else if (value !== undefined && value !== DEFAULTS[key]) said.set(key, value);
  }
  return said.toString();
}

/** Change the state, its address, and what is drawn; ``step`` leaves a step to go back to. */
function change(changes, { step = false } = {}) {
  state = { ...state, ...changes };
  draw(); // first: some browsers refuse many addresses in a short time
  const hash = `#${address(state)}`;
  if (hash !== (location.hash || "#")) {
    if (step) history.pushState(null, "", hash);
    else history.replaceState(null, "", hash);
  }
}

/** A list with a value more, or without it. */
function toggled(list, value) {
  return list.includes(value) ? list.filter((each) => each !== value) : [...list, value];
}

/** What the chart's axes show: what was asked for, else what tells most of these rows. */
function axesFor(rows) {
  const count = (key) => rows.filter((row) => row.figures[key]).length;
  const most = (keys) => keys.reduce((best, key) => (count(key) > count(best) ? key : best), keys[0]);
  const costs = known.filter((key) => !axes[key].accuracy);
  const accuracies = known.filter((key) => axes[key].accuracy);
  // Speed tells most, unless few were measured.
  const isFast = axes.throughput_fps && 2 * count("throughput_fps") >= Math.max(count("gflops"), 1);
  const x = isFast ? "throughput_fps" : count("gflops") ? "gflops" : most(costs);
  const y = count("AP") ? "AP" : most(accuracies.length ? accuracies : costs);
  return { x: state.x || x || y, y: state.y || y };
}

/** Whether an axis is drawn logarithmically: as suits its figure, unless the other was asked for. */
function isLog(end) {
  return axes[ends[end]].log !== state.scale.includes(end);
}
