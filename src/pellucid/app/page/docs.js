// The service as its /openapi.json describes it.

import { call } from "/api.js";
import { find, make } from "/dom.js";

const GROUPS = { restore: "Restore", jobs: "Jobs", health: "Health" };

function operations(description) {
  const all = Object.entries(description.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), ...operation })),
  );
  return Object.entries(GROUPS).map(([tag, title]) => {
    const members = all.filter(({ tags }) => tags.includes(tag));
    return make("section", {}, make("h2", {}, title), ...members.map(entry));
  });
}

function entry(operation) {
  const { method, path, description, parameters = [] } = operation;
  const head = make("h3", {}, make("span", { class: "method" }, method), make("code", {}, path));
  const summary = make("summary", {}, head, make("p", {}, ...spans(description ?? "")));
  const list = parameters.length ? make("dl", {}, ...parameters.flatMap(parameter)) : null;
  const example = make("pre", { tabindex: "0", "aria-label": `Example of ${method} ${path}` }, make("code", {}, curl(operation)));
  return make("details", { class: "operation" }, summary, list, example);
}

function parameter({ name, in: where, description, schema }) {
  const { type, minimum, maximum } = schema.anyOf?.[0] ?? schema;
  const range = minimum == null ? "" : `, ${minimum} to ${maximum}`;
  const words = description ?? (where === "path" ? "Of the job." : "");
  return [make("dt", {}, make("code", {}, name)), make("dd", {}, words, " ", make("span", { class: "quiet" }, `${type}${range}`))];
}

function curl({ method, path, requestBody }) {
  const parts = ["curl"];
  if (requestBody) parts.push("--data-binary @picture.jpg");
  else if (method !== "GET") parts.push(`-X ${method}`);
  return [...parts, `"${location.origin}${path.replace("{id}", "$ID")}"`].join(" ");
}

/** Text in which ``words`` are code. */
function spans(text) {
  return text.split("``").map((part, index) => (index % 2 ? make("code", {}, part) : part));
}

for (const place of document.querySelectorAll(".origin")) place.textContent = location.origin;
try {
  const description = await (await call("/openapi.json")).json();
  find("operations").replaceChildren(...operations(description));
} catch (problem) {
  find("reading").textContent = problem.message;
}
