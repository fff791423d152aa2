// The chart: a mark for each row with both values, the Pareto front and whiskers.

const SHAPES = 8;
const COLORS_THERE = 8;
const MOST_GROUPS = 14;
const OTHERS = "others";

/** The outline of a group's mark around 0, 0; its area is about that of a circle with this radius. */
function outline(shape, r) {
  const polygon = (corners, turn, size) =>
    Array.from({ length: corners }, (_, i) => {
      const angle = turn + (2 * Math.PI * i) / corners;
      return `${(size * Math.cos(angle)).toFixed(2)},${(size * Math.sin(angle)).toFixed(2)}`;
    });
  const closed = (points) => `M${points.join("L")}Z`;
  const up = -Math.PI / 2;
  switch (shape) {
    case 0: return `M${-r},0a${r},${r} 0 1,0 ${2 * r},0a${r},${r} 0 1,0 ${-2 * r},0Z`;
    case 1: return closed(polygon(4, Math.PI / 4, r * 1.25));
    case 2: return closed(polygon(3, up, r * 1.4));
    case 3: return closed(polygon(4, up, r * 1.3));
    case 4: return closed(polygon(3, -up, r * 1.4));
    case 5: return closed(polygon(6, up, r * 1.12));
    case 6: return closed(polygon(5, up, r * 1.18));
    default: {
      const [outer, inner] = [polygon(5, up, r * 1.5), polygon(5, up + Math.PI / 5, r * 0.72)];
      return closed(outer.flatMap((point, i) => [point, inner[i]]));
    }
  }
}

/** The shape of a group: colours repeat after eight groups, and groups of one colour have different shapes. */
function shapeOf(number) {
  return (number + Math.floor(number / COLORS_THERE)) % SHAPES;
}

/** The groups of the legend by name, each with its number: the largest groups, then all others as one. */
function groupsOf() {
  const sizes = new Map();
  for (const model of data.models) {
    const group = model.facts[state.color] || "not declared";
    sizes.set(group, (sizes.get(group) || 0) + 1);
  }
  const names = [...sizes].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0], "en")).map(([name]) => name);
  const kept = names.length > MOST_GROUPS ? [...names.slice(0, MOST_GROUPS - 1), OTHERS] : names;
  return new Map(kept.map((name, number) => [name, number]));
}

/** The rows that have both values, as points of the chart. */
function pointsOf(rows, groups, width) {
  const bubbles = rows.map((row) => (axes[state.bubble] ? shown(row, state.bubble) || 0 : 0));
  const largest = Math.max(...bubbles, 0);
  const room = Math.min(1, 0.35 + width / 1100);
  return rows
    .map((row, i) => {
      const name = row.model.facts[state.color] || "not declared";
      const group = groups.has(name) ? name : OTHERS;
      const r = room * (largest ? 4.5 + 11 * Math.sqrt(bubbles[i] / largest) : 6);
      return { row, group, r, x: shown(row, ends.x), y: shown(row, ends.y) };
    })
    .filter((point) => point.x !== undefined && point.y !== undefined)
    .filter((point) => !(isLog("x") && point.x <= 0) && !(isLog("y") && point.y <= 0));
}

/** The models that the registry does not have, if y may be their published AP; x is undefined if it is not known. */
function outsideOf() {
  if (!["any_AP", "published_AP"].includes(ends.y)) return [];
  const shownOf = (figures, key) => figures[key] && figures[key] * axes[key].factor;
  return data.outside.map((each) => ({ ...each, x: shownOf(each.figures, ends.x), y: shownOf(each.figures, "published_AP") }));
}

let current = ""; // the key of the mark that has the keyboard's focus

function drawChart(rows) {
  const box = document.getElementById("chart");
  const width = Math.max(240, box.clientWidth || 800);
  const groups = groupsOf();
  const all = pointsOf(rows, groups, width);
  drawLegend(groups, all);
  const points = all.filter((point) => !state.hide.includes(point.group));
  const hadFocus = box.contains(document.activeElement);
  hideCard();
  const height = Math.round(Math.min(Math.max(width * 0.58, 320), 560));
  document.getElementById("chart-none").hidden = points.length > 0;
  document.getElementById("chart-count").textContent = countsInWords(rows, all, points);
  const outside = points.length ? outsideOf() : [];
  noteOutside(outside);
  if (!points.length) return box.replaceChildren();
  const area = { left: 46, right: width - 14, top: 26, bottom: height - 42 };
  const ys = points.flatMap((point) => [point.y, ...(intervalOf(point.row, ends.y) ?? [])]).concat(outside.map((each) => each.y));
  const xs = points.flatMap((point) => [point.x, ...(intervalOf(point.row, ends.x) ?? [])]).concat(outside.flatMap((each) => each.x ?? []));
  const x = scaleOf(xs, isLog("x"), area.left + 14, area.right - 14);
  const y = scaleOf(ys, isLog("y"), area.bottom - 10, area.top + 10);
  for (const point of points) Object.assign(point, { px: x.place(point.x), py: y.place(point.y) });
  const fronts = haveOneScope() && state.front === "on" ? frontsOf(points) : [];
  const ordered = [...points].sort((a, b) => a.px - b.px || a.py - b.py);
  if (!ordered.some((point) => point.row.key === current)) current = ordered[0].row.key;
  const taken = points.map(boxOf); // where no name may lie
  const drawn = svg(
    "svg",
    { width, height, viewBox: `0 0 ${width} ${height}`, role: "group", "aria-labelledby": "chart-title", "aria-describedby": "chart-keys" },
    ...gridOf(x, y, area, width),
    ...fronts.map((front) => lineOfFront(front, area)),
    ...marksOfOutside(outside, taken, x, y, area),
    // Large bubbles lie below small ones, so that no mark is hidden.
    ...[...points].sort((a, b) => b.r - a.r).map((point) => markOf(point, groups, ordered, x, y)),
    ...namesOf(fronts, taken, area),
  );
  box.replaceChildren(drawn);
  if (hadFocus) focusMark(current);
}

/** The number of models that are shown, their precisions, and the number that are not shown. */
function countsInWords(rows, all, points) {
  const precisions = PREFERRED.filter((precision) => points.some((point) => point.row.precision === precision));
  const where = precisions.length ? `, as ${precisions.join(" and ")}` : "";
  const left = rows.length - all.length;
  const others = left ? `; ${left} without both values ${left === 1 ? "is" : "are"} only in the table` : "";
  const mixed = haveOneScope() ? "" : "; no front: one value is of the whole pipeline, the other of the network alone";
  const pale = points.filter((point) => isPublished(point.row)).length;
  const marks = pale && pale < points.length ? "; filled marks: measured, pale marks: as published" : "";
  return `${points.length} of ${countOfModels(rows.length)} shown${where}${others}${mixed}${marks}`;
}

function countOfModels(number) {
  return `${number} ${number === 1 ? "model" : "models"}`;
}

/** Whether the chart's accuracy is as published; if it has none, whether one of its costs is. */
function isPublished(row) {
  const both = [ends.x, ends.y];
  const accuracies = both.filter((key) => axes[key].accuracy);
  return (accuracies.length ? accuracies : both).some((key) => row.figures[key][1] === "p");
}

function gridOf(x, y, area, width) {
  // On a phone only the metric, its unit and the arrow fit; the chart's heading has the rest.
  const isPhone = width < 500;
  const label = (key) => `${isPhone ? axes[key].title.split(",")[0] : axes[key].title}, ${axes[key].unit}`;
  const better = (key) => (isPhone ? "" : axes[key].more ? "higher is better" : "lower is better");
  const crowded = x.ticks.length > (area.right - area.left) / 44;
  return [
    ...y.ticks.flatMap((tick) => [
      svg("line", { class: "grid", x1: area.left, x2: area.right, y1: y.place(tick), y2: y.place(tick) }),
      svg("text", { class: "tick", x: area.left - 8, y: y.place(tick) + 4, "text-anchor": "end" }, tickInWords(tick)),
    ]),
    ...x.ticks.flatMap((tick, i) => [
      svg("line", { class: "grid", x1: x.place(tick), x2: x.place(tick), y1: area.top, y2: area.bottom }),
      crowded && i % 2 ? undefined
        : svg("text", { class: "tick", x: x.place(tick), y: area.bottom + 17, "text-anchor": "middle" }, tickInWords(tick)),
    ]),
    svg("line", { class: "axis", x1: area.left, x2: area.right, y1: area.bottom, y2: area.bottom }),
    svg("line", { class: "axis", x1: area.left, x2: area.left, y1: area.top, y2: area.bottom }),
    svg("text", { class: "label", x: area.left - 38, y: 14 }, `${label(ends.y)}  ${axes[ends.y].more ? "↑" : "↓"} ${better(ends.y)}`),
    svg("text", { class: "label", x: width - 14, y: area.bottom + 36, "text-anchor": "end" },
      `${label(ends.x)}  ${axes[ends.x].more ? "→" : "←"} ${better(ends.x)}`),
  ].filter(Boolean);
}

function tickInWords(tick) {
  return tick >= 10000 ? `${tick / 1000}k` : String(tick);
}

/** "AP measured" or "AP as published" if the chart has both kinds of AP on one axis, else empty. */
function kindOfAP({ row }) {
  return [ends.x, ends.y].includes("any_AP") ? `AP ${ORIGINS[row.figures.any_AP[1]]}` : "";
}

/** The fronts of the measured and of the published AP, which are of different photos; else one front of all points. */
function frontsOf(points) {
  const kinds = [...new Set(points.map(kindOfAP))];
  return kinds.map((kind) => paretoFront(points.filter((point) => kindOfAP(point) === kind), ends.x, ends.y));
}

/** A line of steps through the front: no model of its kind lies beyond it. */
function lineOfFront(front, area) {
  const steps = front.slice(1).map((point) => `H${point.px}V${point.py}`).join("");
  const [first, last] = [front[0], front[front.length - 1]];
  const down = axes[ends.y].more ? area.bottom : area.top;
  const aside = axes[ends.x].more ? area.left : area.right;
  return svg("path", { class: "front", d: `M${first.px},${down}V${first.py}${steps}H${aside}` },
    svg("title", {}, [`Pareto front of ${countOfModels(front.length)}`, [...new Set([first.row.model.name, last.row.model.name])].join(" to "), kindOfAP(first)].filter(Boolean).join(", ")));
}

function markOf(point, groups, ordered, x, y) {
  const { row } = point;
  const number = groups.get(point.group);
  const label = `${row.key}: ${phrase(row, ends.y)}; ${phrase(row, ends.x)}; ${point.group}`;
  const [intervalX, intervalY] = [intervalOf(row, ends.x), intervalOf(row, ends.y)];
  return svg(
    "a",
    {
      class: `mark c${number % COLORS_THERE}${isPublished(row) ? " published" : ""}${state.compare.includes(row.model.name) ? " chosen" : ""}`,
      href: row.model.page,
      tabindex: row.key === current ? "0" : "-1",
      "data-key": row.key,
      "aria-label": label,
      onpointerenter: () => showCard(point),
      onpointerleave: () => hideCard(),
      onfocus: () => {
        current = row.key;
        showCard(point);
      },
      onclick: (event) => tap(event, point),
      onblur: () => hideCard(),
      onkeydown: (event) => walk(event, point, ordered),
    },
    intervalY && whisker(point.px, y.place(intervalY[0]), point.px, y.place(intervalY[1])),
    intervalX && whisker(x.place(intervalX[0]), point.py, x.place(intervalX[1]), point.py),
    svg("path", { class: "shape", transform: `translate(${point.px.toFixed(1)},${point.py.toFixed(1)})`, d: outline(shapeOf(number), point.r) }),
  );
}

/** From one bound of a 95 % interval to the other; each ends in a bar. */
function whisker(x, y, toX, toY) {
  const bars = x === toX ? `M${x - 4},${y}h8M${x - 4},${toY}h8` : `M${x},${y - 4}v8M${toX},${y - 4}v8`;
  return svg("path", { class: "whisker", d: `M${x},${y}L${toX},${toY}${bars}` });
}

function noteOutside(outside) {
  const note = document.getElementById("chart-outside");
  note.hidden = !outside.length;
  const stated = new Set(outside.map((each) => `${each.publisher} (${each.license}; ${each.protocol})`));
  note.textContent = `Orange: models that are not in this registry, with the values that their publishers state: ${[...stated].join("; ")}.`;
}

/** A diamond for each model of another publisher, or a line where x is not known; each with its name, where there is room. */
function marksOfOutside(outside, taken, x, y, area) {
  const names = []; // above all lines
  const marks = outside.map((each) => {
    const py = y.place(each.y);
    const px = each.x === undefined ? undefined : x.place(each.x);
    const length = each.name.length * 6.1;
    const step = (area.right - area.left) / 8;
    const places = px === undefined
      ? Array.from({ length: 8 }, (_, i) => [area.right - 4 - i * step - length, py - 4])
      : [[px + 10, py + 4], [px - 10 - length, py + 4], [px - length / 2, py - 9], [px - length / 2, py + 17]];
    const boxes = places.map(([left, base]) => ({ left, right: left + length, top: base - 10, bottom: base + 3 }));
    const box = boxes.find((one) => isFree(one, taken, area));
    if (box) {
      taken.push(box);
      names.push(svg("text", { class: "name", x: box.left, y: box.bottom - 3, "aria-hidden": "true" }, each.name));
    }
    return svg("g", { class: "outside" },
      svg("title", {}, `${each.name}: AP ${each.y.toFixed(3)}, as ${each.publisher} states; ${each.license}, not in this registry`),
      svg("path", { d: px === undefined ? `M${area.left},${py}H${area.right}` : `M${px},${py}m0,-6l6,6l-6,6l-6,-6Z` }));
  });
  return [...marks, ...names];
}

/** Whether a box is inside the chart and meets no other. */
function isFree(box, taken, area) {
  const inside = box.left > area.left && box.right < area.right && box.top > area.top - 4 && box.bottom < area.bottom;
  return inside && !taken.some((other) => box.left < other.right && box.right > other.left && box.top < other.bottom && box.bottom > other.top);
}

function boxOf({ px, py, r }) {
  return { left: px - r, right: px + r, top: py - r, bottom: py + r };
}

/** The names of the models on the fronts for which there is room. */
function namesOf(fronts, taken, area) {
  const around = (x1, y1, x2, y2, r) => ({ left: Math.min(x1, x2) - r, right: Math.max(x1, x2) + r, top: Math.min(y1, y2) - r, bottom: Math.max(y1, y2) + r });
  for (const front of fronts) {
    front.forEach((point, i) => {
      const next = front[i + 1];
      taken.push(around(point.px, point.py, next ? next.px : axes[ends.x].more ? area.left : area.right, point.py, 1));
      if (next) taken.push(around(next.px, point.py, next.px, next.py, 1));
    });
  }
  const named = [];
  for (const point of fronts.flat()) {
    const name = point.row.model.name.length > 26 ? `${point.row.model.name.slice(0, 25)}…` : point.row.model.name;
    const length = name.length * 6.1;
    const place = [
      { x: point.px + point.r + 5, y: point.py + 4 },
      { x: point.px - length / 2, y: point.py - point.r - 6 },
      { x: point.px - point.r - 5 - length, y: point.py + 4 },
      { x: point.px - length / 2, y: point.py + point.r + 14 },
      { x: point.px - length, y: point.py - point.r - 6 },
      { x: point.px + 4, y: point.py + point.r + 14 },
    ].find((each) => isFree({ left: each.x, right: each.x + length, top: each.y - 10, bottom: each.y + 3 }, taken, area));
    if (!place) continue;
    taken.push({ left: place.x, right: place.x + length, top: place.y - 10, bottom: place.y + 3 });
    named.push(svg("text", { class: "name", x: place.x, y: place.y, "aria-hidden": "true" }, name));
  }
  return named;
}
