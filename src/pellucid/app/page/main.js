// The page: pictures come in, are restored, shown and saved.

import { fetchTasks, setTokenAsker } from "/api.js";
import { zip } from "/archive.js";
import { addCard, markCard } from "/cards.js";
import { Viewer } from "/compare.js";
import { find, save, showProgress } from "/dom.js";
import { takeIn } from "/intake.js";
import { Queue } from "/queue.js";
import { receiptOf } from "/receipt.js";
import { Settings } from "/settings.js";
import { leftWords, percent, stateWords } from "/words.js";

const LOCAL = ["localhost", "127.0.0.1", "[::1]"];

const queue = new Queue();
const settings = new Settings();
const viewer = new Viewer();
const cards = new Map();
let selected = null;

function add(files) {
  if (!files.length) return;
  const items = queue.add(files, settings.wishes);
  for (const item of items) {
    const wants = {
      onSelect: () => select(item),
      onCancel: () => queue.cancel(item),
      onRetry: () => queue.restart(item, settings.wishes),
      onSave: () => saveItem(item),
      onRemove: () => removeItem(item),
    };
    cards.set(item, addCard(item, wants));
    item.addEventListener("change", () => itemChanged(item));
  }
  say(items.length === 1 ? `${items[0].file.name} was added.` : `${items.length} pictures were added.`);
  if (!selected || selected.hasEnded) select(items[0]);
  showTogether();
}

function select(item) {
  if (item !== selected) viewer.reset();
  const hadFocus = document.querySelector(".intro").contains(document.activeElement);
  selected = item;
  document.body.dataset.view = item ? "work" : "empty";
  markCard(cards.get(item));
  if (item) showSelected();
  else find("receipt").hidden = true;
  if (item && hadFocus) cards.get(item).querySelector(".pick").focus(); // the button that had it is gone
}

function itemChanged(item) {
  if (item === selected) showSelected();
  if (item.hasEnded) say(`${item.file.name}: ${stateWords(item)}`);
  showTogether();
}

function showSelected() {
  const item = selected;
  viewer.show(item);
  find("viewer-name").textContent = item.file.name;
  find("viewer-state").textContent = [stateWords(item), leftWords(item)].filter(Boolean).join(", ");
  find("viewer").dataset.state = item.state;
  find("nothing").textContent = nothingWords(item);
  showProgress(find("viewer-progress"), item);
  showActions(item);
  showAgain();
  find("receipt").hidden = !item.receipt;
  if (item.receipt) find("receipt-body").replaceChildren(receiptOf(item));
}

/** What stands where the picture would be. */
function nothingWords(item) {
  if (item.before || item.after || item.strips) return "";
  return item.state === "failed" ? "" : "The picture shows as soon as it is read.";
}

/** Offer what can be done with the selected picture now. */
function showActions(item) {
  const does = item.state === "done" ? "save" : item.hasEnded ? "retry" : "stop";
  const offered = find(`viewer-${does}`);
  const hadFocus = find("viewer-actions").contains(document.activeElement);
  for (const button of find("viewer-actions").children) button.hidden = button !== offered;
  if (hadFocus) offered.focus();
}

/** Offer to restore the selected picture otherwise, if the settings are others than it was restored with. */
function showAgain() {
  const others = queue.items.filter(isOther);
  find("again").hidden = !others.includes(selected);
  find("again").textContent = `Restore this one again: ${settings.nameOf(settings.wishes.task)}`;
  find("again-all").hidden = others.length < 2;
  find("again-all").textContent = `Restore ${others.length} pictures again`;
}

/** Whether an item was restored with other settings than those that are chosen now. */
function isOther(item) {
  const wishes = settings.wishes;
  return Object.keys(wishes).some((key) => wishes[key] !== item.wishes[key]);
}

function showTogether() {
  const done = queue.items.filter((item) => item.state === "done");
  const underWay = queue.items.filter((item) => !item.hasEnded);
  find("together").hidden = queue.items.length < 2;
  find("save-all").disabled = done.length < 1;
  const words = underWay.length && done.length ? `Download ${done.length} finished` : "Download all";
  find("save-all").querySelector("span").textContent = words;
  find("pictures-title").textContent = queue.items.length > 1 ? `${queue.items.length} pictures` : "Pictures";
  const share = queue.items.reduce((sum, item) => sum + (item.hasEnded ? 1 : item.progress), 0) / queue.items.length;
  document.title = underWay.length ? `${percent(share)} · pellucid` : "pellucid";
}

function saveItem(item) {
  save(item.result.blob, item.result.name);
  item.saved = true;
}

async function saveAll() {
  const done = queue.items.filter((item) => item.state === "done");
  const files = done.map(({ path, result }) => ({ name: path.replace(/[^/]*$/, "") + result.name, blob: result.blob }));
  say("The archive is being made.");
  const archives = await zip(files);
  archives.forEach((archive, index) => save(archive, `restored${archives.length > 1 ? `-${index + 1}` : ""}.zip`));
  for (const item of done) item.saved = true;
}

function removeItem(item) {
  const index = queue.items.indexOf(item);
  const hadFocus = cards.get(item).contains(document.activeElement);
  queue.remove(item);
  cards.get(item).remove();
  cards.delete(item);
  const next = queue.items[Math.min(index, queue.items.length - 1)] ?? null;
  if (item === selected) select(next);
  if (hadFocus) (next ? cards.get(next).querySelector(".pick") : document.querySelector(".intro .primary")).focus();
  showTogether();
}

function clear() {
  for (const item of [...queue.items]) removeItem(item);
  document.querySelector(".intro .primary").focus();
}

/** Say that the service is full, and for how long still. */
function showPause() {
  const notice = find("pause");
  notice.hidden = !queue.resumes;
  if (!queue.resumes) return;
  const left = Math.max(Math.ceil((queue.resumes - performance.now()) / 1000), 1);
  notice.textContent = `The service has its hands full. The next try is in ${left} s, by itself.`;
  setTimeout(showPause, 1000);
}

function say(words) {
  find("live").textContent = words;
}

/** Ask people for a token; gives it. */
function askForToken(wasWrong) {
  const dialog = find("token-dialog");
  find("token-problem").textContent = wasWrong ? "The service does not know this token." : "";
  find("token").value = "";
  if (!dialog.open) dialog.showModal();
  return new Promise((resolve) => {
    const submitted = (event) => {
      event.preventDefault();
      dialog.close();
      resolve(find("token").value.trim());
    };
    find("token-form").addEventListener("submit", submitted, { once: true });
  });
}

async function start() {
  setTokenAsker(askForToken);
  find("token-dialog").addEventListener("cancel", (event) => event.preventDefault()); // nothing goes on without
  if (!LOCAL.includes(location.hostname)) {
    find("where").textContent = `Pictures go to ${location.hostname} and nowhere else.`;
  }
  takeIn(add);
  find("viewer-stop").addEventListener("click", () => queue.cancel(selected));
  find("viewer-retry").addEventListener("click", () => queue.restart(selected, settings.wishes));
  find("viewer-save").addEventListener("click", () => saveItem(selected));
  find("save-all").addEventListener("click", saveAll);
  find("clear").addEventListener("click", clear);
  find("again").addEventListener("click", () => queue.restart(selected, settings.wishes));
  find("again-all").addEventListener("click", () => {
    for (const item of queue.items.filter(isOther)) queue.restart(item, settings.wishes);
  });
  settings.addEventListener("change", showAgain);
  queue.addEventListener("pause", () => {
    if (queue.resumes) say("The service has its hands full; it is tried again in a while.");
    showPause();
  });
  addEventListener("pagehide", () => queue.leave());
  addEventListener("beforeunload", (event) => {
    if (queue.items.some((item) => !item.hasEnded || (item.result && !item.saved))) event.preventDefault();
  });
  try {
    settings.offer(await fetchTasks());
  } catch (problem) {
    find("alert").textContent = `${problem.message} Load this page again when it runs.`;
  }
}

start();
