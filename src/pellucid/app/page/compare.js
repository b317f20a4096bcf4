// A picture before and after, one over the other: a slider between them, zoom and pan, and their difference.

import { find } from "/dom.js";
import { View } from "/view.js";
import { percent } from "/words.js";

const STEP = 1.25; // of zoom
const GRIP = 28; // pixels beside the divider in which it is taken hold of
const STILL = 4; // pixels that a pointer may move in a click
const PAN = 60; // pixels by a key
const LABEL = 80; // pixels that a label needs
const SMALL = 220; // pixels of a picture with no room for labels
const KEYS = { 0: "fit", 1: "1", 2: "2", "+": "in", "=": "in", "-": "out" };

/** The viewer of index.html. */
export class Viewer {
  #stage = find("stage");
  #frame = find("frame");
  #after = find("frame").querySelector(".after");
  #split = find("split");
  #view = new View();
  #picture = { width: 1, height: 1 };
  #room = { width: 1, height: 1 }; // of the stage
  #isPeeking = false;
  #isDifference = false;
  #pointers = new Map();
  #grip = null; // what a pointer does: "split", "pan" or "pinch", and from where

  constructor() {
    new ResizeObserver(() => this.#measure()).observe(this.#stage);
    this.#split.addEventListener("input", () => this.#paint());
    for (const button of document.querySelectorAll("[data-zoom]")) {
      button.addEventListener("click", () => this.#zoomTo(button.dataset.zoom));
    }
    find("difference").addEventListener("click", () => this.#setDifference(!this.#isDifference));
    this.#listenToHold(find("hold"));
    this.#listenToKeys();
    this.#listenToPointers();
  }

  /** Show an item as it is now. */
  show(item) {
    const { before, after, strips, size } = item;
    const image = this.#frame.querySelector(".before");
    if (before && image.src !== before.src) image.src = before.src;
    image.hidden = !before;
    image.alt = `${item.file.name}, before`;
    const shown = after ?? strips;
    if (shown) {
      after?.setAttribute("alt", `${item.file.name}, restored`);
      after?.setAttribute("draggable", "false");
      if (this.#after.firstChild !== shown) this.#after.replaceChildren(shown);
    } else {
      this.#after.replaceChildren();
    }
    this.#stage.classList.toggle("has-after", Boolean(shown));
    this.#stage.classList.toggle("is-partial", Boolean(shown && !after));
    this.#split.disabled = !shown;
    for (const id of ["hold", "difference"]) find(id).disabled = !after;
    if (!after) this.#setDifference(false);
    this.#resize(size ?? { width: 1, height: 1 });
  }

  /** Begin anew with another item: whole, the slider in the middle. */
  reset() {
    this.#split.value = 50;
    this.#view.isFit = true;
    this.#setDifference(false);
  }

  #resize(size) {
    const isSame = size.width === this.#picture.width && size.height === this.#picture.height;
    this.#picture = size;
    if (this.#view.isFit || !isSame) this.#view.fit(size, this.#room);
    this.#paint();
  }

  #measure() {
    const { clientWidth: width, clientHeight: height } = this.#stage;
    if (!width || !height) return;
    this.#room = { width, height };
    if (this.#view.isFit) this.#view.fit(this.#picture, this.#room);
    else this.#view.settle(this.#picture, this.#room);
    this.#paint();
  }

  /** The part of the stage, left to right, that the picture covers: the slider's way. */
  get #way() {
    const { x, scale } = this.#view;
    return [Math.max(x, 0), Math.min(x + this.#picture.width * scale, this.#room.width)];
  }

  get #canPan() {
    const { width, height } = this.#picture;
    const { scale } = this.#view;
    return width * scale > this.#room.width + 1 || height * scale > this.#room.height + 1;
  }

  #paint() {
    const { x, y, scale } = this.#view;
    const { width, height } = this.#picture;
    const [left, right] = this.#way;
    const share = this.#split.value / 100;
    const at = left + share * (right - left);
    const bottom = Math.max(this.#room.height - y - height * scale, 0);
    const style = this.#stage.style;
    style.setProperty("--width", `${width}px`);
    style.setProperty("--height", `${height}px`);
    style.setProperty("--move", `translate(${x}px, ${y}px) scale(${scale})`);
    style.setProperty("--split", `${(at - x) / scale}px`); // in pixels of the picture
    style.setProperty("--pixel", `${1 / scale}px`); // of the screen
    style.setProperty("--at", `${at}px`);
    style.setProperty("--top", `${Math.max(y, 0)}px`);
    style.setProperty("--bottom", `${bottom}px`);
    const before = Math.round(share * 100);
    this.#split.setAttribute("aria-valuetext", `${before} % before, ${100 - before} % after`);
    this.#stage.classList.toggle("is-pixelated", scale * devicePixelRatio > 2);
    this.#stage.classList.toggle("can-pan", this.#canPan);
    this.#placeLabels(at, left, right, bottom);
    this.#paintZoom();
  }

  /** Labels lie in the corners of the picture, or of the stage where the picture is too small for them. */
  #placeLabels(at, left, right, bottom) {
    const isSmall = right - left < SMALL;
    const style = this.#stage.style;
    style.setProperty("--label-left", `${isSmall ? 0 : left}px`);
    style.setProperty("--label-right", `${isSmall ? 0 : this.#room.width - right}px`);
    style.setProperty("--label-bottom", `${isSmall ? 0 : bottom}px`);
    const isWhole = this.#isDifference || this.#isPeeking;
    const before = find("label-before");
    before.textContent = this.#isDifference ? "Difference, 8 times as strong" : "Before";
    before.hidden = !isWhole && !isSmall && at - left < LABEL;
    find("label-after").hidden = isWhole || (!isSmall && right - at < LABEL);
  }

  #paintZoom() {
    const zoom = this.#view.scale * devicePixelRatio;
    find("zoom").textContent = percent(zoom);
    const pressed = this.#view.isFit ? "fit" : String(Math.round(zoom * 1000) / 1000);
    for (const button of document.querySelectorAll(".joined [data-zoom]:not(.only-icon)")) {
      button.setAttribute("aria-pressed", button.dataset.zoom === pressed);
    }
  }

  #zoomTo(what, point = { x: this.#room.width / 2, y: this.#room.height / 2 }) {
    const { scale } = this.#view;
    if (what === "fit") this.#view.fit(this.#picture, this.#room);
    else {
      const next = { in: scale * STEP, out: scale / STEP }[what] ?? what / devicePixelRatio;
      this.#view.zoom(next, point, this.#picture, this.#room);
    }
    this.#paint();
  }

  #peek(is) {
    if (is === this.#isPeeking) return;
    this.#isPeeking = is;
    this.#stage.classList.toggle("is-peeking", is);
    find("hold").setAttribute("aria-pressed", is);
    this.#paint();
  }

  #setDifference(is) {
    this.#isDifference = is;
    this.#stage.classList.toggle("is-difference", is);
    find("difference").setAttribute("aria-pressed", is);
    this.#paint();
  }

  #listenToHold(button) {
    button.addEventListener("pointerdown", (event) => {
      button.setPointerCapture(event.pointerId);
      this.#peek(true);
    });
    for (const end of ["pointerup", "pointercancel", "blur", "lostpointercapture"]) {
      button.addEventListener(end, () => this.#peek(false));
    }
    button.addEventListener("contextmenu", (event) => event.preventDefault()); // of a long press
  }

  #listenToKeys() {
    const viewer = find("viewer");
    const holds = (event) => event.key === " " && [this.#split, find("hold")].includes(event.target);
    viewer.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (holds(event)) {
        event.preventDefault();
        if (!find("hold").disabled) this.#peek(true);
      } else if (event.key in KEYS) this.#zoomTo(KEYS[event.key]);
      else if (event.key.toLowerCase() === "d") find("difference").click();
      else if (event.shiftKey && event.key.startsWith("Arrow")) {
        event.preventDefault();
        this.#pan(...{ Left: [PAN, 0], Right: [-PAN, 0], Up: [0, PAN], Down: [0, -PAN] }[event.key.slice(5)]);
      }
    });
    viewer.addEventListener("keyup", (event) => holds(event) && this.#peek(false));
  }

  #pan(dx, dy) {
    this.#view.move(dx, dy, this.#picture, this.#room);
    this.#paint();
  }

  #listenToPointers() {
    const stage = this.#stage;
    stage.addEventListener("pointerdown", (event) => this.#press(event));
    stage.addEventListener("pointermove", (event) => this.#drag(event));
    for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, (event) => this.#release(event));
    const keepStill = (event) => event.touches.length > 1 && event.cancelable && event.preventDefault(); // in a pinch
    stage.addEventListener("touchmove", keepStill, { passive: false });
    const turn = (event) => {
      if (!event.ctrlKey) return; // the page is scrolled
      event.preventDefault();
      const factor = Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.005));
      this.#view.zoom(this.#view.scale * factor, this.#pointOf(event), this.#picture, this.#room);
      this.#paint();
    };
    stage.addEventListener("wheel", turn, { passive: false });
  }

  #pointOf({ clientX, clientY }) {
    const { left, top } = this.#stage.getBoundingClientRect();
    return { x: clientX - left, y: clientY - top };
  }

  #press(event) {
    if (event.button !== 0) return;
    const point = this.#pointOf(event);
    this.#stage.setPointerCapture(event.pointerId);
    this.#pointers.set(event.pointerId, point);
    if (this.#pointers.size > 1) {
      this.#grip = { kind: "pinch", ...this.#pinch() };
      return;
    }
    if (event.pointerType === "mouse") event.preventDefault(); // else the slider would lose the focus again
    this.#split.focus({ preventScroll: true });
    const [left, right] = this.#way;
    const at = left + (this.#split.value / 100) * (right - left);
    const canSplit = !this.#split.disabled && !this.#isDifference;
    const isNear = Math.abs(point.x - at) <= GRIP;
    if (canSplit && (isNear || !this.#canPan)) {
      const isMoving = event.pointerType !== "touch"; // a finger may be the first of two, or scroll the page
      this.#grip = { kind: "split", from: point, offset: isNear ? at - point.x : 0, isClick: true, isMoving };
      if (isMoving) this.#splitAt(point.x + this.#grip.offset);
    } else {
      this.#grip = { kind: "pan", from: point, isClick: canSplit };
    }
  }

  #drag(event) {
    const last = this.#pointers.get(event.pointerId);
    if (!last) return;
    const point = this.#pointOf(event);
    this.#pointers.set(event.pointerId, point);
    if (this.#grip.kind === "split") {
      this.#grip.isMoving ||= Math.abs(point.x - this.#grip.from.x) > STILL;
      if (this.#grip.isMoving) this.#splitAt(point.x + this.#grip.offset);
    } else if (this.#grip.kind === "pinch") this.#pinchOn();
    else {
      const { from } = this.#grip;
      if (Math.hypot(point.x - from.x, point.y - from.y) > STILL) this.#grip.isClick = false;
      this.#pan(point.x - last.x, point.y - last.y);
    }
  }

  #release(event) {
    if (!this.#pointers.delete(event.pointerId)) return;
    const { isClick, offset = 0 } = this.#grip;
    if (isClick && event.type === "pointerup") this.#splitAt(this.#pointOf(event).x + offset);
    const [rest] = this.#pointers.values();
    this.#grip = rest ? { kind: "pan", from: rest, isClick: false } : null;
  }

  #pinch() {
    const [one, other] = this.#pointers.values();
    const middle = { x: (one.x + other.x) / 2, y: (one.y + other.y) / 2 };
    return { middle, spread: Math.max(Math.hypot(one.x - other.x, one.y - other.y), 1) };
  }

  #pinchOn() {
    const { middle, spread } = this.#pinch();
    const last = this.#grip;
    this.#view.move(middle.x - last.middle.x, middle.y - last.middle.y, this.#picture, this.#room);
    this.#view.zoom((this.#view.scale * spread) / last.spread, middle, this.#picture, this.#room);
    this.#grip = { kind: "pinch", middle, spread };
    this.#paint();
  }

  #splitAt(x) {
    const [left, right] = this.#way;
    this.#split.value = ((x - left) / Math.max(right - left, 1)) * 100;
    this.#paint();
  }
}
