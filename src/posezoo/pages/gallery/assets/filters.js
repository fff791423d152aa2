// The search box and the filters: their choices, and the rows that pass them.

/** The values of a facet that a model has. */
function valuesOf(model, facet) {
  if (facet === "precision") return model.precisions;
  const value = model.facts[facet] || "";
  if (!value) return [];
  return facet === "framework" ? value.split(", ") : [value];
}

/** The models that pass the search and the facets, except the given one. */
function passing(except = "") {
  const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
  return data.models.filter(
    (model) =>
      words.every((word) => model.text.includes(word)) &&
      FACETS.every(([facet]) => {
        const chosen = state[facet];
        return facet === except || !chosen.length || valuesOf(model, facet).some((value) => chosen.includes(value));
      }),
  );
}

function withinRanges(row) {
  return RANGES.every((range) => {
    const key = range === "accuracy" ? accuracyKey() : range;
    if (!axes[key]) return true;
    const [from, to] = [state[`${range}_min`], state[`${range}_max`]];
    if (from === undefined && to === undefined) return true;
    const number = shown(row, key);
    return number !== undefined && !(number < from) && !(number > to);
  });
}

/** The accuracy that the table shows: the one in the chart, if there is one. */
function accuracyKey() {
  return [ends.y, ends.x, ...known].find((key) => axes[key]?.accuracy);
}

/** Draw the facets again; each value has the number of models that it would leave. */
function drawFilters() {
  const search = document.getElementById("q");
  if (search.value !== state.q) search.value = state.q;
  for (const [facet, title] of FACETS) drawFacet(facet, title);
  for (const range of RANGES) {
    for (const end of ["min", "max"]) {
      const box = document.getElementById(`${range}_${end}`);
      const value = state[`${range}_${end}`];
      if (document.activeElement !== box) box.value = value === undefined ? "" : value;
    }
  }
  for (const [range, key] of [["accuracy", accuracyKey()], ["gflops", "gflops"]]) {
    document.getElementById(`${range}-range`).hidden = !axes[key];
    if (axes[key]) document.getElementById(`${range}-title`).textContent = `${axes[key].title}, ${axes[key].unit}`;
  }
  document.getElementById("reset").hidden = !isNarrowed();
}

function isNarrowed() {
  return Boolean(
    state.q || FACETS.some(([facet]) => state[facet].length) ||
      RANGES.some((range) => state[`${range}_min`] !== undefined || state[`${range}_max`] !== undefined),
  );
}

function drawFacet(facet, title) {
  const all = new Map();
  for (const model of data.models) for (const value of valuesOf(model, facet)) all.set(value, 0);
  const box = document.getElementById(`facet-${facet}`);
  box.hidden = all.size < 2;
  if (box.hidden) return;
  for (const model of passing(facet)) {
    for (const value of valuesOf(model, facet)) all.set(value, all.get(value) + 1);
  }
  const chosen = state[facet];
  const focused = document.activeElement && document.activeElement.dataset.value;
  const summary = make("summary", {}, title, chosen.length ? make("span", { class: "badge" }, String(chosen.length)) : "");
  const left = [...all].filter(([value, count]) => count || chosen.includes(value));
  const choices = left.sort(inOrder(facet)).map(([value, count]) =>
    make(
      "label",
      {},
      make("input", {
        type: "checkbox",
        checked: chosen.includes(value),
        "data-value": `${facet}:${value}`,
        onchange: () => change({ [facet]: toggled(state[facet], value) }),
      }),
      make("span", { title: value }, ...breakable(shortened(value))),
      make("small", {}, String(count)),
    ),
  );
  box.replaceChildren(summary, make("div", { class: "choices" }, ...choices));
  const input = focused && [...box.querySelectorAll("input")].find((candidate) => candidate.dataset.value === focused);
  if (input) input.focus();
}

function inOrder(facet) {
  if (facet !== "input") return ([a], [b]) => a.localeCompare(b, "en");
  const area = (value) => value.split("x").reduce((product, side) => product * side, 1);
  return ([a], [b]) => area(a) - area(b);
}

function listenToFilters() {
  document.getElementById("filters").addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("q").addEventListener("input", (event) => change({ q: event.target.value }));
  for (const range of RANGES) {
    for (const end of ["min", "max"]) {
      document.getElementById(`${range}_${end}`).addEventListener("input", (event) => {
        const number = parseFloat(event.target.value);
        change({ [`${range}_${end}`]: Number.isFinite(number) ? number : undefined });
      });
    }
  }
  document.getElementById("reset").addEventListener("click", () => {
    const empty = Object.fromEntries(FACETS.map(([facet]) => [facet, []]));
    for (const range of RANGES) empty[`${range}_min`] = empty[`${range}_max`] = undefined;
    change({ ...empty, q: "" });
    document.getElementById("q").focus();
  });
}
