// Around the chart: the legend, whose entries hide groups, the hover card, and keyboard navigation.

let tapped = ""; // the key of the mark that was touched last

function drawLegend(groups, points) {
  const there = new Set(points.map((point) => point.group));
  const focused = document.activeElement && document.activeElement.dataset.group;
  const entries = [...groups].filter(([name]) => there.has(name)).map(([name, number]) => {
    const hidden = state.hide.includes(name);
    return make(
      "button",
      {
        type: "button",
        class: `entry c${number % COLORS_THERE}`,
        "aria-pressed": String(!hidden),
        title: hidden ? "show again" : "hide in the chart; with Shift: show only this group",
        "data-group": name,
        onclick: (event) => {
          if (!event.shiftKey) return change({ hide: toggled(state.hide, name) });
          const others = [...there].filter((each) => each !== name);
          const isAlone = others.every((each) => state.hide.includes(each)) && !hidden;
          change({ hide: isAlone ? [] : others });
        },
      },
      svg("svg", { width: 18, height: 18, viewBox: "-9 -9 18 18", "aria-hidden": "true" },
        svg("path", { class: "shape", d: outline(shapeOf(number), 6) })),
      make("span", { title: name }, shortened(name)),
    );
  });
  const legend = document.getElementById("legend");
  legend.replaceChildren(...entries);
  if (focused) [...legend.children].find((entry) => entry.dataset.group === focused)?.focus();
}

/** Move from mark to mark with the arrow keys; c adds a model to the comparison, or removes it. */
function walk(event, point, ordered) {
  const at = ordered.indexOf(point);
  const steps = { ArrowRight: at + 1, ArrowUp: at + 1, ArrowLeft: at - 1, ArrowDown: at - 1, Home: 0, End: ordered.length - 1 };
  if (event.key in steps) {
    event.preventDefault();
    current = ordered[Math.min(Math.max(steps[event.key], 0), ordered.length - 1)].row.key;
    focusMark(current);
  } else if (event.key === "c") {
    event.preventDefault();
    choose(point.row.model.name);
  } else if (event.key === "Escape") {
    hideCard();
  }
}

function focusMark(key) {
  for (const mark of document.querySelectorAll("#chart .mark")) {
    const isIt = mark.dataset.key === key;
    mark.setAttribute("tabindex", isIt ? "0" : "-1");
    if (isIt) mark.focus();
  }
}

/** Show a card with a model's values beside its mark; screen readers read the mark's label instead. */
function showCard(point) {
  const card = document.getElementById("card");
  const { row } = point;
  const charted = [ends.x, ends.y].map((key) => statedKey(row, key));
  const lines = known.filter((key) => key !== "any_AP" && row.figures[key]).map((key) => {
    const interval = intervalOf(row, key);
    const bounds = interval ? `; 95 % interval ${interval.map((bound) => inWords(bound, key)).join(" to ")}` : "";
    const origin = ORIGINS[row.figures[key][1]] + bounds;
    return make("tr", { class: charted.includes(key) ? "axis" : "" },
      make("th", {}, axes[key].title), make("td", {}, `${inWords(shown(row, key), key)} ${axes[key].unit}`), make("td", {}, make("small", {}, origin)));
  });
  const facts = [row.precision, (row.model.facts.input || "").replace("x", " × "), row.model.facts.framework, row.model.facts.license];
  card.replaceChildren(
    make("strong", {}, ...breakable(row.model.name)),
    make("p", {}, facts.filter(Boolean).join(" · ")),
    make("table", {}, make("tbody", {}, ...lines)),
    make("p", { class: "keys" }, "Click or Enter: open its page · c: compare"),
  );
  card.hidden = false;
  const { left, top } = besides(point, card, document.getElementById("chart"));
  card.style.left = `${left}px`;
  card.style.top = `${top}px`;
}

/** The position of a card beside its mark: to the right, to the left or, if the chart is narrow, below. */
function besides(point, card, box) {
  const [right, room] = [point.px + point.r + 12, box.clientWidth - card.offsetWidth];
  const left = point.px - point.r - 12 - card.offsetWidth;
  const top = Math.max(0, Math.min(point.py - 30, box.clientHeight - card.offsetHeight + 40));
  if (right <= room) return { left: right, top };
  if (left >= 0) return { left, top };
  return { left: Math.max(0, room / 2), top: point.py + point.r + 14 };
}

/** On a touch screen the first tap on a mark shows the card, and the second one opens the page. */
function tap(event, point) {
  if (event.pointerType !== "touch" || tapped === point.row.key) return;
  event.preventDefault();
  tapped = point.row.key;
  showCard(point);
}

function hideCard() {
  document.getElementById("card").hidden = true;
}
