// The table of all rows that pass the filters, sorted by any column.

// The chart, the comparison and each model's page have them; the table has the throughputs instead of times.
const NO_COLUMN = ["single_p50_ms", "latency_p50_ms", "network_p50_ms", "ghosts"];

// On a phone, each model is a card, and only the first ones are shown.
const MOST_ON_PHONE = 20;
const isNarrow = matchMedia("(max-width: 600px)");
let showsAllRows = false;

/** The columns of values: one accuracy, and all costs that are known for at least one row. */
function figureColumns(rows) {
  const accuracy = accuracyKey();
  const others = known.filter((key) => !axes[key].accuracy && !NO_COLUMN.includes(key) && rows.some((row) => row.figures[key]));
  return axes[accuracy] ? [accuracy, ...others] : others;
}

function drawTable(rows) {
  const columns = figureColumns(rows);
  const key = sortKey();
  const sorted = [...rows].sort(inSortOrder(key.replace(/^-/, ""), key.startsWith("-") ? -1 : 1));
  const { sort: focused, name: picked } = document.activeElement ? document.activeElement.dataset : {};
  document.getElementById("head").replaceChildren(
    make("th", { scope: "col", class: "pick" }, make("span", { class: "unseen" }, "Compare")),
    heading(key, "words", sorter("name", "Model", "", key), sorter("task", "Task", "", key)),
    ...columns.map((name) => heading(key, "number", sorter(name, axes[name].title, axes[name].unit, key))),
    make("th", { scope: "col" }, "License"),
  );
  const isCut = isNarrow.matches && !showsAllRows && sorted.length > MOST_ON_PHONE;
  const visible = isCut ? sorted.slice(0, MOST_ON_PHONE) : sorted;
  document.getElementById("rows").replaceChildren(...visible.map((row) => lineOf(row, columns)));
  const more = document.getElementById("all-rows");
  more.hidden = !isCut;
  more.textContent = `show the other ${sorted.length - visible.length}`;
  document.getElementById("none").hidden = rows.length > 0;
  const origins = rows.map((row) => row.figures.any_AP?.[1]);
  document.getElementById("mixed").hidden = columns[0] !== "any_AP" || !["m", "p"].every((each) => origins.includes(each));
  if (picked) document.querySelector(`#rows [data-name="${CSS.escape(picked)}"]`)?.focus();
  if (focused) document.querySelector(`#head [data-sort="${CSS.escape(focused)}"]`)?.focus();
}

/** The sort key: the chosen one, else the accuracy in the table, best first. */
function sortKey() {
  const accuracy = accuracyKey();
  return state.sort || (axes[accuracy] ? `-${accuracy}` : "name");
}

/** A column's heading with its sort buttons. */
function heading(key, kind, ...buttons) {
  const isSorted = buttons.some((button) => button.dataset.sort === key.replace(/^-/, ""));
  const way = isSorted ? (key.startsWith("-") ? "descending" : "ascending") : undefined;
  // Chromium leaves out buttons in the heads that it repeats on each printed page.
  const printed = buttons.map((button) => make("span", { class: "printed" }, ...[...button.childNodes].map((node) => node.cloneNode(true))));
  return make("th", { scope: "col", "aria-sort": way, class: kind }, ...buttons, ...printed);
}

function sorter(name, title, unit, key) {
  // The first click sorts values from the best, and words from A.
  const first = axes[name] && axes[name].more ? `-${name}` : name;
  const second = first === name ? `-${name}` : name;
  // Whether it is of the whole pipeline, and the unit, are on lines of their own.
  const [heads, ...notes] = [...title.split(", "), unit].filter(Boolean);
  const arrow = key === name ? "▲" : key === `-${name}` ? "▼" : "";
  return make(
    "button",
    { type: "button", "data-sort": name, onclick: () => change({ sort: key === first ? second : first }) },
    heads, arrow ? make("i", { "aria-hidden": "true" }, arrow) : "", ...notes.map((note) => make("small", {}, note)),
  );
}

function isOwn(row) {
  return data.own.includes(row.model.name);
}

function inSortOrder(name, way) {
  const value = name === "name" ? (row) => row.key : name === "task" ? (row) => row.model.facts.task : (row) => shown(row, name);
  return (a, b) => {
    const [one, other] = [value(a), value(b)];
    // Until a column is chosen, the models that the user measured come first.
    if (!state.sort && isOwn(a) !== isOwn(b)) return isOwn(a) ? -1 : 1;
    if (one === other) return a.key.localeCompare(b.key, "en");
    // Unknown values come last in both directions.
    if (one === undefined || other === undefined) return one === undefined ? 1 : -1;
    return way * (typeof one === "string" ? one.localeCompare(other, "en") : one - other);
  };
}

function lineOf(row, columns) {
  const { model } = row;
  const chosen = state.compare.includes(model.name);
  return make(
    "tr",
    { class: chosen ? "chosen" : "" },
    make("td", { class: "pick" }, make("input", {
      type: "checkbox", checked: chosen, "aria-label": `compare ${model.name}`, "data-name": model.name,
      onchange: () => choose(model.name),
    })),
    make("th", { scope: "row" }, make("a", { href: model.page, title: model.description }, ...breakable(model.name)),
      row.precision && (state.precision.length || row.precision !== "FP16") ? make("small", {}, row.precision) : "",
      make("div", {}, subtitleOf(model))),
    ...columns.map((key) => numberCell(row, key)),
    make("td", { class: "license", title: model.facts.license }, shortened(model.facts.license || "")),
  );
}

/** What a model is and needs, in one line. */
function subtitleOf({ facts }) {
  const people = facts.people && `people from ${facts.people}`;
  return [facts.task, (facts.input || "").replace("x", " × "), people].filter(Boolean).join(", ");
}

function numberCell(row, key) {
  const figure = row.figures[key];
  if (!figure) return make("td", { class: "number" });
  const title = [ORIGINS[figure[1]], figure[2]].filter(Boolean).join(": ");
  const label = `${axes[statedKey(row, key)].title} (${axes[key].unit})`;
  return make("td", { class: `number o${figure[1]}`, title, "data-label": label }, inWords(shown(row, key), key),
    figure[1] === "m" ? "" : make("sup", { role: "img", "aria-label": ORIGINS[figure[1]] }, figure[1]));
}
