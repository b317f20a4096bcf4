// Pictures that people drop, paste or choose.

import { find } from "/dom.js";

const RAW = /\.(dng|nef|nrw|cr2|cr3|arw|sr2|raf|orf|rw2|pef|srw|3fr|iiq|tiff?|heic|heif|hif|avif|jxl|p[gpn]m|pam)$/i;

/** Have a function told of [{file, path}] whenever some come. */
export function takeIn(onFiles) {
  for (const button of document.querySelectorAll("[data-choose]")) {
    button.addEventListener("click", () => find(button.dataset.choose).click());
  }
  find("files").addEventListener("change", ({ target }) => hand(onFiles, target, () => true));
  find("folder").addEventListener("change", ({ target }) => hand(onFiles, target, isPicture));
  document.addEventListener("paste", ({ clipboardData }) => {
    onFiles([...clipboardData.files].map((file) => ({ file, path: file.name })));
  });
  takeDrops(onFiles);
}

function hand(onFiles, input, isWanted) {
  const files = [...input.files].map((file) => ({ file, path: file.webkitRelativePath || file.name }));
  input.value = ""; // so that the same file can be chosen again
  onFiles(files.filter(({ file }) => isWanted(file)));
}

function takeDrops(onFiles) {
  let leaving = 0;
  const setDragged = (is) => document.body.classList.toggle("dragged", is);
  document.addEventListener("dragover", (event) => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    setDragged(true);
    clearTimeout(leaving);
    leaving = setTimeout(() => setDragged(false), 200); // there is no event for having left the window
  });
  document.addEventListener("drop", async (event) => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    setDragged(false);
    // entries are there as long as the event is; files of the clipboard's kind have none
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    const files = [...event.dataTransfer.files].map((file) => ({ file, path: file.name }));
    onFiles(entries.length ? (await Promise.all(entries.map((entry) => walk(entry, false)))).flat() : files);
  });
}

/** All pictures below an entry of a file system; a file that was named by itself need not look like one. */
async function walk(entry, isWithin) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    return isWithin && !isPicture(file) ? [] : [{ file, path: entry.fullPath.replace(/^\//, "") }];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)); // a hundred at most
    if (!some.length) return found;
    for (const each of some) found.push(...(await walk(each, true)));
  }
}

function isPicture(file) {
  return !file.name.startsWith(".") && (file.type.startsWith("image/") || RAW.test(file.name));
}
