// What is to be done: the task, the format of the result and its quality.

import { find, icon, make } from "/dom.js";
import { FORMATS, LOSSY, QUALITIES, taskWords } from "/words.js";

const ICONS = new Set([...document.querySelectorAll("symbol")].map((symbol) => symbol.id.replace("icon-", "")));

/** The form of settings. Tells of a "change". */
export class Settings extends EventTarget {
  #form = find("settings");
  #tasks = [];

  constructor() {
    super();
    fill(find("format"), FORMATS);
    fill(find("quality"), QUALITIES);
    this.#form.addEventListener("change", () => {
      find("quality-field").hidden = !LOSSY.includes(find("format").value);
      this.dispatchEvent(new Event("change"));
    });
    this.#form.addEventListener("submit", (event) => event.preventDefault());
  }

  /** Offer the tasks of the service; the first is chosen. */
  offer(tasks) {
    this.#tasks = tasks;
    document.querySelector("#tasks .choices").replaceChildren(...tasks.map(choice));
  }

  /** {task, format, quality} as the service has them. */
  get wishes() {
    const task = this.#form.querySelector("[name=task]:checked")?.value ?? "";
    const format = find("format").value;
    return { task, format, quality: LOSSY.includes(format) ? find("quality").value : "" };
  }

  /** What a task is called. */
  nameOf(task) {
    return taskWords(this.#tasks.find(({ name }) => name === task) ?? { name: task, words: "" })[0];
  }
}

function fill(select, choices) {
  select.replaceChildren(...choices.map(([value, words]) => make("option", { value }, words)));
}

function choice(task, index) {
  const [title, words] = taskWords(task);
  return make(
    "label",
    { class: "choice" },
    make("input", { type: "radio", name: "task", value: task.name, checked: index === 0 }),
    icon(ICONS.has(task.name) ? task.name : "any"),
    make("span", {}, make("strong", {}, title), make("small", {}, words)),
  );
}
