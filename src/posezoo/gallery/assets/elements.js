// Elements of the page; text goes in as text and is never read as markup.

/** An HTML element with attributes, listeners (onclick: ...) and children. */
function make(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** An SVG element, made as ``make`` does. */
function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== undefined && value !== "") element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== undefined && child !== ""));
  return element;
}

/** An address without what all have in common; any other text as it is. */
function briefly(text) {
  return text.replace(/^https?:\/\/(www\.|raw\.)?(github(usercontent)?\.com\/)?(?=.)/, "");
}

/** What people read of a moment's change, without looking: told politely by screen readers. */
function tell(text) {
  document.getElementById("told").textContent = text;
}
