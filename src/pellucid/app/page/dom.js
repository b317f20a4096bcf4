// Making elements.

/** An element with attributes (a value of true sets, false and null leave out; on* are listeners) and children. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false && value != null) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

/** One of the symbols of index.html; it says nothing to who cannot see it. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/** The element with this id. */
export const find = (id) => document.getElementById(id);

/** Show in a <progress> how far an item of the queue is; what waits here or has ended has none. */
export function showProgress(element, item) {
  element.hidden = item.hasEnded || item.state === "waiting";
  if (item.progress) element.value = item.progress;
  else element.removeAttribute("value"); // it goes on, and nobody knows how far it is
}

/** Let the browser save a blob as a file. */
export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
