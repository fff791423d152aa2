// Draw everything from the state, after each change.

let drawnBefore = "";

function draw() {
  const candidates = rowsOf(passing(), state.precision);
  ends = axesFor(candidates.length ? candidates : rowsOf(data.models, []));
  const rows = candidates.filter(withinRanges);
  drawFilters();
  document.getElementById("charted").hidden = !known.length;
  if (known.length) {
    drawControls();
    drawChart(rows);
  }
  drawTable(rows);
  drawTray();
  drawCompare();
  const count = `${rows.length} of ${rowsOf(data.models, state.precision).length}`;
  document.getElementById("count").textContent = `${count} ${state.precision.length ? "model IRs" : "models"}`;
  if (drawnBefore && drawnBefore !== count) announce(`${count} models`);
  drawnBefore = count;
}

function drawControls() {
  for (const end of ["x", "y"]) {
    document.getElementById(end).value = ends[end];
    document.getElementById(`${end}-log`).checked = isLog(end);
  }
  document.getElementById("bubble").value = axes[state.bubble] ? state.bubble : "none";
  document.getElementById("color").value = state.color;
  document.getElementById("front").checked = state.front === "on";
  document.getElementById("chart-title").textContent = `${axes[ends.y].title} versus ${axes[ends.x].title.toLowerCase()}`;
  document.getElementById("ways").hidden = !data.ways || ![ends.x, ends.y].some(hasSettings);
}

/** Whether the values of an axis were measured with the same settings, which the chart states. */
function hasSettings(key) {
  return axes[key].scope === "pipeline" || key.startsWith("network_") || key === "any_AP";
}

function listenToControls() {
  for (const end of ["x", "y", "bubble"]) {
    const box = document.getElementById(end);
    if (end === "bubble") box.append(make("option", { value: "none" }, "same size"));
    box.append(...known.filter((key) => end !== "bubble" || !axes[key].accuracy).map((key) => make("option", { value: key }, `${axes[key].title} (${axes[key].unit})`)));
    box.addEventListener("change", () => change({ [end]: box.value, scale: end === "bubble" ? state.scale : state.scale.replace(end, "") }));
  }
  for (const end of ["x", "y"]) {
    document.getElementById(`${end}-log`).addEventListener("change", () => {
      const turned = new Set(state.scale);
      if (!turned.delete(end)) turned.add(end);
      change({ scale: [...turned].sort().join("") });
    });
  }
  const color = document.getElementById("color");
  color.append(...Object.entries(COLORS).map(([value, title]) => make("option", { value }, title)));
  color.addEventListener("change", () => change({ color: color.value, hide: [] }));
  document.getElementById("front").addEventListener("change", (event) => change({ front: event.target.checked ? "on" : "off" }));
}

function begin() {
  listenToFilters();
  listenToControls();
  listenToCompare();
  // On a narrow screen the filters are closed, so that the models come first.
  if (matchMedia("(max-width: 900px)").matches) document.getElementById("more").open = false;
  isNarrow.addEventListener("change", draw);
  document.getElementById("all-rows").addEventListener("click", () => { showsAllRows = true; draw(); });
  addEventListener("popstate", () => { state = read(); draw(); });
  let width = 0;
  new ResizeObserver(([entry]) => {
    // Drawing the chart changes its height, so only a new width causes a redraw.
    if (Math.round(entry.contentRect.width) === width) return;
    width = Math.round(entry.contentRect.width);
    if (data.models.length) draw();
  }).observe(document.getElementById("chart"));
}

if (data.models.length) begin();
