// The list of pictures: a card for each.

import { find, icon, make, showProgress } from "/dom.js";
import { stateWords } from "/words.js";

const list = find("cards");

/** A card that shows an item, and says what people want: onSelect, onCancel, onRetry, onSave, onRemove. */
export function addCard(item, wants) {
  const name = make("strong", {}, item.file.name);
  const state = make("small", { class: "state" });
  const thumb = make("span", { class: "thumb" }, icon("picture"));
  const pick = make("button", { type: "button", class: "pick", onclick: wants.onSelect }, thumb, make("span", { class: "text" }, name, state));
  const progress = make("progress", { max: 1, "aria-label": `Progress of ${item.file.name}` });
  const buttons = {
    stop: action("stop", "Stop", item, wants.onCancel),
    retry: action("retry", "Try again", item, wants.onRetry),
    download: action("download", "Download", item, wants.onSave),
    remove: action("remove", "Remove", item, wants.onRemove),
  };
  const card = make("li", { class: "card" }, pick, make("div", { class: "actions" }, ...Object.values(buttons)), progress);
  const update = () => {
    card.dataset.state = item.state;
    state.textContent = stateWords(item);
    if (item.thumb && thumb.firstChild !== item.thumb) thumb.replaceChildren(item.thumb);
    showProgress(progress, item);
    const had = card.contains(document.activeElement) && document.activeElement;
    buttons.stop.hidden = item.hasEnded;
    buttons.retry.hidden = !["failed", "cancelled"].includes(item.state);
    buttons.download.hidden = item.state !== "done";
    buttons.remove.hidden = !item.hasEnded;
    if (had && had.hidden) pick.focus(); // of a button that is gone
  };
  item.addEventListener("change", update);
  update();
  list.append(card);
  return card;
}

/** Show which card is the one in the viewer. */
export function markCard(card) {
  for (const each of list.children) each.querySelector(".pick").removeAttribute("aria-current");
  if (!card) return;
  card.querySelector(".pick").setAttribute("aria-current", "true");
  // into view within the list; scrollIntoView would move the page too
  const lowest = card.offsetTop + card.offsetHeight - list.clientHeight;
  list.scrollTop = Math.min(Math.max(list.scrollTop, lowest), card.offsetTop);
}

function action(symbol, words, item, onclick) {
  const attributes = { type: "button", class: "only-icon small", title: words, "aria-label": `${words}: ${item.file.name}` };
  return make("button", { ...attributes, onclick }, icon(symbol));
}
