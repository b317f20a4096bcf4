// The pictures of this page: what is to be done with each, how far it is, and what came of it.

import * as api from "/api.js";
import { decode, drawStrip, thumbnail } from "/previews.js";

const AT_ONCE = 3; // a browser opens six connections to a service; each of these holds one as long as it runs
const RECONNECTIONS = 5; // one a second
const ENDED = ["done", "failed", "cancelled"];

/**
 * A picture. It tells of a "change" of whatever is listed here.
 *
 * file, path: what was chosen, and where it lay in its folder.
 * wishes: {task, format, quality} as the service has them.
 * state: waiting (here) → sending → queued (there) → running → done, failed or cancelled.
 * progress: 0 to 1.
 * size: {width, height} of the picture in pixels, upright; null until known.
 * before, after: images that the browser can show, or null.
 * strips: a canvas of what is restored so far, or null; it is drawn on without a word.
 * thumb: a small canvas, or null.
 * receipt, result: what was done, and {blob, name} of the restored file.
 * problem: a sentence; saved: whether the result was downloaded.
 */
export class Item extends EventTarget {
  constructor(file, path, wishes) {
    super();
    Object.assign(this, { file, path, before: null, thumb: null, size: null });
    this.reset(wishes);
  }

  /** Begin again. */
  reset(wishes) {
    this.release();
    Object.assign(this, { wishes, state: "waiting", progress: 0, started: null, job: null, saved: false });
    Object.assign(this, { after: null, strips: null, receipt: null, result: null, problem: null });
    this.abort = new AbortController();
  }

  /** Forget the restored picture. */
  release() {
    if (this.after) URL.revokeObjectURL(this.after.src);
  }

  get hasEnded() {
    return ENDED.includes(this.state);
  }

  update(changes) {
    Object.assign(this, changes);
    this.dispatchEvent(new Event("change"));
  }
}

/** Restores items a few at a time. Tells of an "add", a "remove" and a "pause" (see resumes). */
export class Queue extends EventTarget {
  items = [];
  resumes = null; // when, on the clock of performance.now(), a service that was full is asked again
  #underWay = new Set();
  #previews = Promise.resolve();

  /** Add pictures: [{file, path}]. */
  add(files, wishes) {
    const items = files.map(({ file, path }) => new Item(file, path, wishes));
    this.items.push(...items);
    for (const item of items) {
      // one after the other: each holds a whole picture in memory for a moment
      item.previewed = this.#previews = this.#previews.then(() => preview(item));
    }
    this.#tell("add");
    this.#fill();
    return items;
  }

  /** Restore once more, with other wishes perhaps. */
  restart(item, wishes) {
    this.#giveUp(item);
    item.reset(wishes);
    item.update({});
    this.#fill();
  }

  cancel(item) {
    if (item.hasEnded) return;
    item.abort.abort();
    if (item.job) api.remove(item.job);
    item.update({ state: "cancelled" });
  }

  remove(item) {
    this.#giveUp(item);
    item.release();
    if (item.before) URL.revokeObjectURL(item.before.src);
    this.items.splice(this.items.indexOf(item), 1);
    this.#tell("remove");
  }

  #giveUp(item) {
    if (!item.hasEnded) this.cancel(item);
    else if (item.job) api.remove(item.job);
  }

  /** Tell the service that nobody comes back for anything. */
  leave() {
    for (const item of this.items) if (item.job) api.remove(item.job);
  }

  #tell(kind) {
    this.dispatchEvent(new Event(kind));
  }

  #fill() {
    if (this.resumes) return;
    for (const item of this.items.filter((each) => each.state === "waiting")) {
      if (this.#underWay.size >= AT_ONCE) return;
      this.#run(item);
    }
  }

  async #run(item) {
    const { signal } = item.abort;
    this.#underWay.add(signal);
    try {
      await restore(item, signal);
    } catch (problem) {
      if (signal.aborted) return;
      if (!item.job && problem.retryAfter) {
        item.update({ state: "waiting" });
        this.#pause(problem.retryAfter);
      } else {
        item.update({ state: "failed", problem: problem.message });
      }
      if (!(problem instanceof api.Problem)) throw problem; // a defect of this page
    } finally {
      this.#underWay.delete(signal);
      this.#fill();
    }
  }

  #pause(seconds) {
    if (this.resumes) return;
    this.resumes = performance.now() + seconds * 1000;
    this.#tell("pause");
    setTimeout(() => {
      this.resumes = null;
      this.#tell("pause");
      this.#fill();
    }, seconds * 1000);
  }
}

/** What the browser itself can show of a file. */
async function preview(item) {
  const before = await decode(item.file);
  if (before) setBefore(item, before);
}

function setBefore(item, before) {
  const size = item.size ?? { width: before.naturalWidth, height: before.naturalHeight };
  item.update({ before, size, thumb: thumbnail(before) });
}

/** All that happens to an item. Throws a Problem. */
async function restore(item, signal) {
  item.update({ state: "sending" });
  const job = await api.send(item.file, item.wishes, signal);
  const size = { width: job.picture.width, height: job.picture.height };
  item.update({ state: "queued", job: job.id, size });
  showOther(item, signal);
  const end = await followToEnd(item, signal);
  if (end.kind !== "done") {
    item.update({ state: end.kind, problem: end.data.problem?.detail });
    return;
  }
  const result = await api.fetchResult(item.job, signal);
  const after = (await decode(result.blob)) ?? (await decode(await api.fetchShown(item.job, "after", signal)));
  if (signal.aborted) return;
  item.update({ state: "done", progress: 1, receipt: end.data.receipt, result, after, strips: after ? null : item.strips });
}

/** Have the service show a picture that the browser cannot. */
async function showOther(item, signal) {
  await item.previewed;
  if (item.before || signal.aborted) return;
  const shown = await api.fetchShown(item.job, "before", signal).catch(() => null); // a card without a picture will do
  const before = shown && (await decode(shown));
  if (before && !signal.aborted) setBefore(item, before);
}

/** Follow a job, also over a broken connection; gives its last event. */
async function followToEnd(item, signal) {
  for (let attempt = 0; ; attempt++) {
    try {
      for await (const event of api.follow(item.job, signal)) {
        if (ENDED.includes(event.kind)) return event;
        await note(item, event, signal);
      }
      throw new api.Problem(0, "The service has broken off.");
    } catch (problem) {
      if (signal.aborted || problem.status !== 0 || attempt >= RECONNECTIONS) throw problem;
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
}

async function note(item, { kind, data }, signal) {
  if (kind === "progress") {
    item.update({ state: "running", progress: data.done, started: item.started ?? performance.now() });
  } else if (kind === "strip") {
    const isFirst = !item.strips;
    const strips = await drawStrip(item.strips, data);
    if (signal.aborted) return;
    if (isFirst) item.update({ strips });
  }
}
