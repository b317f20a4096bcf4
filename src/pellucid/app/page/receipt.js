// What was done with a picture, for people.

import { make } from "/dom.js";
import { bytes, carriedWords, changeWords, eventWords, pictureWords, seconds, warningWords } from "/words.js";

/** A list of what a receipt says, and of the file that came of it. */
export function receiptOf(item) {
  const { receipt, result } = item;
  const notes = [...eventWords(receipt.events), ...receipt.warnings.filter(isNews(receipt)).map(warningWords)];
  return make(
    "dl",
    {},
    ...row("Changed", changeWords(receipt)),
    ...row("Picture", receipt.read ? pictureWords(receipt.read) : null),
    ...row("Carried over", receipt.read ? carriedWords(receipt.read.carried) : null),
    ...row("Result", `${result.name}, ${bytes(result.blob.size)}`),
    ...row("Model", `${receipt.model}, on ${receipt.device}, ${receipt.precision} precision`),
    ...row("Weights", digest(receipt.sha256)),
    ...row("Work", `${tileWords(receipt.tiles)} in ${seconds(receipt.seconds)}`),
    ...row("To note", notes.length ? make("ul", {}, ...notes.map((note) => make("li", {}, note))) : null),
  );
}

function row(name, value) {
  return value == null ? [] : [make("div", {}, make("dt", {}, name), make("dd", {}, value))];
}

/** Warnings of a share are said by changeWords already. */
function isNews({ share }) {
  return (warning) => share === 1 || !warning.includes("--no-keep-clean");
}

function tileWords(tiles) {
  if (!tiles) return "looked at only,";
  return tiles === 1 ? "1 tile" : `${tiles} tiles`;
}

function digest(sha256) {
  const button = make("button", { type: "button", class: "link", title: sha256 }, "Copy");
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(sha256);
    button.textContent = "Copied";
  });
  button.setAttribute("aria-label", "Copy the whole digest");
  return make("span", { class: "digest" }, make("code", {}, `sha256 ${sha256.slice(0, 12)}…`), button);
}
