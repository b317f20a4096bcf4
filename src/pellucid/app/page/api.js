// The service, as /openapi.json has it. A token is sent as a header, so nothing here is asked for by <img> or EventSource.

const TOKEN = "pellucid-token";
const NO_ANSWER = "The service does not answer; is it still running?";

/** Why something cannot be done: a status of HTTP (0: there was no answer), a sentence, perhaps seconds to wait. */
export class Problem extends Error {
  constructor(status, detail, retryAfter = null) {
    super(detail);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

let askForToken = async (wasWrong) => sessionStorage.getItem(TOKEN);
let asking = null;

/** Have a function ask people for a token; it is told whether there was one that did not fit. */
export function setTokenAsker(ask) {
  askForToken = ask;
}

async function renewToken(refused) {
  if (sessionStorage.getItem(TOKEN) !== refused) return; // another request has brought a new one meanwhile
  asking ??= askForToken(refused !== null).finally(() => (asking = null));
  sessionStorage.setItem(TOKEN, await asking);
}

async function problemOf(response) {
  const body = await response.json().catch(() => ({}));
  const seconds = Number(response.headers.get("Retry-After"));
  return new Problem(response.status, body.detail ?? `The service answers ${response.status}.`, seconds || null);
}

/** A request. Throws a Problem unless it went well. */
export async function call(path, options = {}) {
  for (;;) {
    const token = sessionStorage.getItem(TOKEN);
    const headers = new Headers(options.headers);
    if (token) headers.set("Authorization", `Bearer ${token}`);
    const response = await fetch(path, { ...options, headers }).catch((error) => {
      throw error.name === "AbortError" ? error : new Problem(0, NO_ANSWER);
    });
    if (response.ok) return response;
    if (response.status !== 401) throw await problemOf(response);
    await renewToken(token);
  }
}

/** Send a file; gives the job. Wishes that are empty are left to the service. */
export async function send(file, wishes, signal) {
  const query = new URLSearchParams(Object.entries(wishes).filter(([, value]) => value));
  const headers = { "Content-Type": "application/octet-stream", "X-File-Name": encodeURIComponent(file.name) };
  const response = await call(`/v1/jobs?${query}`, { method: "POST", body: file, headers, signal });
  return response.json();
}

/** What happens to a job, as {kind, data}, until it has ended. */
export async function* follow(id, signal) {
  const response = await call(`/v1/jobs/${id}/events`, { signal });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read().catch((error) => {
      throw error.name === "AbortError" ? error : new Problem(0, NO_ANSWER);
    });
    if (done) return;
    const blocks = (text + value).split("\n\n");
    text = blocks.pop();
    yield* blocks.map(parse).filter((event) => event.kind);
  }
}

function parse(block) {
  const fields = Object.fromEntries(block.split("\n").map((line) => line.split(/: ?(.*)/s)));
  return { kind: fields.event, data: JSON.parse(fields.data || "null") };
}

/** The restored file and the name that the service gives it. */
export async function fetchResult(id, signal) {
  const response = await call(`/v1/jobs/${id}/result`, { signal });
  const [, name = "restored"] = /filename\*=UTF-8''([^;]+)/.exec(response.headers.get("Content-Disposition")) ?? [];
  return { blob: await response.blob(), name: decodeURIComponent(name) };
}

/** A JPEG of a job's picture, "before" or "after", for formats that browsers do not show. */
export async function fetchShown(id, which, signal) {
  return (await call(`/v1/jobs/${id}/${which}`, { signal })).blob();
}

/** Stop a job, or have its result thrown away; that it is gone already is no matter. */
export function remove(id) {
  return call(`/v1/jobs/${id}`, { method: "DELETE", keepalive: true }).catch(() => {});
}

/** What can be mended: [{name, words, model}]. */
export async function fetchTasks() {
  return (await call("/v1/tasks")).json();
}
