// Two to four models side by side, in a dialog; they are chosen in the table or in the chart.

/** Add a model to the comparison, or remove it. */
function choose(name) {
  if (!state.compare.includes(name) && state.compare.length >= MOST_COMPARED) {
    announce(`at most ${MOST_COMPARED} models can be compared: remove one first`);
    document.getElementById("tray-note").textContent = `At most ${MOST_COMPARED} models.`;
    return draw();
  }
  document.getElementById("tray-note").textContent = "";
  change({ compare: toggled(state.compare, name) });
  announce(`${state.compare.length} models chosen for the comparison`);
}

function drawTray() {
  const tray = document.getElementById("tray");
  tray.hidden = !state.compare.length;
  document.getElementById("chosen").replaceChildren(
    ...state.compare.map((name) =>
      make("button", { type: "button", class: "chip", "aria-label": `remove ${name}`, onclick: () => choose(name) }, ...breakable(name), make("span", { "aria-hidden": "true" }, "×"))),
  );
  document.getElementById("open-compare").disabled = state.compare.length < 2;
}

function drawCompare() {
  const dialog = document.getElementById("compare");
  const isOpen = state.view === "compare" && state.compare.length > 1;
  if (isOpen) {
    document.getElementById("compared").replaceChildren(comparedTable());
    if (!dialog.open) dialog.showModal();
  } else if (dialog.open) {
    dialog.close();
  }
}

function comparedTable() {
  const rows = state.compare.flatMap((name) => rowsOf([byName.get(name)], state.precision).slice(0, 1));
  const words = [
    ["Task", "task"], ["Family", "family"], ["Approach", "approach"], ["People from", "people"], ["Framework", "framework"], ["Input", "input"], ["License", "license"],
  ].filter(([, key]) => rows.some((row) => row.model.facts[key]));
  return make("table", {},
    make("thead", {}, make("tr", {}, make("td", {}), ...rows.map((row) =>
      make("th", { scope: "col" }, make("a", { href: row.model.page }, ...breakable(row.model.name)), row.precision ? make("small", {}, row.precision) : "")))),
    make("tbody", {},
      // Measured and published AP have rows of their own: between them, none is the best.
      ...known.filter((key) => key !== "any_AP" && rows.some((row) => row.figures[key])).map((key) => comparedFigure(rows, key)),
      ...words.map(([title, key]) => make("tr", {}, make("th", { scope: "row" }, title), ...rows.map((row) => make("td", {}, row.model.facts[key])))),
      make("tr", {}, make("th", { scope: "row" }, "Precisions"), ...rows.map((row) => make("td", {}, row.model.precisions.join(", ")))),
      make("tr", {}, make("th", { scope: "row" }, "Description"), ...rows.map((row) => make("td", { class: "words" }, row.model.description)))),
  );
}

/** A row of bars; the best value is marked. */
function comparedFigure(rows, key) {
  const numbers = rows.map((row) => shown(row, key));
  const there = numbers.filter((number) => number !== undefined);
  const largest = Math.max(...there);
  const best = there.reduce((one, other) => (isBetter(other, one, key) ? other : one));
  return make("tr", {}, make("th", { scope: "row" }, axes[key].title, make("small", {}, axes[key].unit)),
    ...rows.map((row, i) => {
      if (numbers[i] === undefined) return make("td", { class: "unknown" }, "not known");
      const isBest = numbers[i] === best && there.length > 1 && there.some((number) => number !== best);
      const length = largest ? (100 * numbers[i]) / largest : 0;
      return make("td", { class: isBest ? "best" : "" },
        make("span", {}, inWords(numbers[i], key), isBest ? make("b", {}, "best") : ""),
        svg("svg", { class: "bar", width: "100%", height: 6, "aria-hidden": "true" }, svg("rect", { width: `${length.toFixed(1)}%`, height: 6, rx: 2 })),
        make("small", {}, ORIGINS[row.figures[key][1]]));
    }));
}

function listenToCompare() {
  const dialog = document.getElementById("compare");
  document.getElementById("open-compare").addEventListener("click", () => change({ view: "compare" }, { step: true }));
  document.getElementById("clear-compare").addEventListener("click", () => change({ compare: [] }));
  document.getElementById("close-compare").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => state.view && change({ view: "" }, { step: true }));
}
