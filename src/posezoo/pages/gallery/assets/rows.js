// The rows of the table and the marks of the chart: one for each model in each chosen precision.

const ORIGINS = { m: "measured", g: "measured on generated weights", e: "estimated from the times of its networks", p: "as published" };
const PREFERRED = ["FP16", "FP32", "FP16-INT8", "FP32-INT8"];

const data = JSON.parse(document.getElementById("data").textContent);
const axes = Object.assign(Object.create(null), data.axes);
for (const model of data.models) {
  model.text = [model.name, model.description, ...Object.values(model.facts), ...model.precisions].join(" ").toLowerCase();
}
const byName = new Map(data.models.map((model) => [model.name, model]));

/** A row for each model in each chosen precision; if none is chosen, one for each model, in the precision with an AP. */
function rowsOf(models, precisions) {
  return models.flatMap((model) => {
    if (precisions.length) {
      return precisions.filter((each) => model.precisions.includes(each)).map((each) => rowOf(model, each));
    }
    const best = PREFERRED.find((each) => model.figures[each]?.AP) || PREFERRED.find((each) => model.precisions.includes(each));
    return [rowOf(model, best || "")];
  });
}

function rowOf(model, precision) {
  return {
    model,
    precision,
    key: precision ? `${model.name} ${precision}` : model.name,
    figures: { ...publishedFor(model, precision), ...model.figures[precision] },
  };
}

/** The published values that hold for a precision: published accuracies are not those of a quantized IR. */
function publishedFor(model, precision) {
  const published = { ...model.published };
  if (precision.includes("INT8")) {
    for (const key of Object.keys(published)) if (axes[key].accuracy) delete published[key];
  }
  return published;
}

/** A row's value in the unit of its axis; undefined if it is not known. */
function shown(row, key) {
  const figure = row.figures[key];
  return figure && figure[0] * axes[key].factor;
}

/** A shown number with its significant digits. */
function inWords(number, key) {
  if (number === undefined) return "";
  const axis = axes[key];
  if (axis.accuracy) return number.toFixed(3);
  if (number >= 1000) return Math.round(number).toLocaleString("en");
  return String(Number(number.toPrecision(number < 1 ? 2 : 3)));
}

/** The metric that a row's value is of: any_AP is either the measured or the published AP. */
function statedKey(row, key) {
  if (key !== "any_AP") return key;
  return row.figures[key][1] === "p" ? "published_AP" : "AP";
}

/** A value in one phrase: number, unit, origin. */
function phrase(row, key) {
  const figure = row.figures[key];
  return `${axes[statedKey(row, key)].title} ${inWords(shown(row, key), key)} ${axes[key].unit}, ${ORIGINS[figure[1]]}`;
}

/** Whether one number of an axis is better than another. */
function isBetter(one, other, key) {
  return axes[key].more ? one > other : one < other;
}

/** The bounds of a value's 95 % interval, as shown numbers; undefined if they are not known. */
function intervalOf(row, key) {
  const interval = row.figures[key]?.[3];
  return interval && interval.map((bound) => bound * axes[key].factor);
}

/** The points {x, y} for which no other is better in one value and at least as good in the other. */
function paretoFront(points, xKey, yKey) {
  const sorted = [...points].sort(
    (a, b) => (a.x === b.x ? (isBetter(a.y, b.y, yKey) ? -1 : 1) : isBetter(a.x, b.x, xKey) ? -1 : 1),
  );
  const front = [];
  for (const point of sorted) {
    if (!front.length || isBetter(point.y, front[front.length - 1].y, yKey)) front.push(point);
  }
  return front;
}
