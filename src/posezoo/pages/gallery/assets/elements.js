// Elements of the page; text goes in as text and is never read as markup.

/** An HTML element with attributes, listeners (onclick: ...) and children. */
function make(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** An SVG element, with the same arguments as ``make``. */
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

/** An address without its scheme and common hosts; any other text as it is. */
function shortened(text) {
  return text.replace(/^https?:\/\/(www\.|raw\.)?(github(usercontent)?\.com\/)?(?=.)/, "");
}

/** A name as nodes; it breaks into lines only after -, _, . and @. */
function breakable(name) {
  return name.split(/(?<=[-_.@])(?=\w)/).flatMap((part, i) => (i ? [make("wbr"), part] : [part]));
}

/** Announce a change through screen readers. */
function announce(text) {
  document.getElementById("announced").textContent = text;
}
