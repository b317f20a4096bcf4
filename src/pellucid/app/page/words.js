// What is said to people.

const TASKS = {
  auto: ["Find out", "looks at the picture first"],
  denoise: ["Grain", "even noise, of any strength"],
  "denoise-real": ["Camera noise", "of nights and of phones"],
  derain: ["Rain", "streaks in the air"],
  raindrop: ["Drops", "on the lens or the window"],
  dehaze: ["Haze", "fog, mist and smog"],
  deblur: ["Shake", "blur of a moving camera"],
  defocus: ["Out of focus", "blur of the lens"],
  any: ["Several of these", "at once"],
};

/** A task of the service → [a word or two, what that is]. */
export function taskWords({ name, words }) {
  return TASKS[name] ?? [name, words];
}

/** What results can be written as, and words. */
export const FORMATS = [
  ["", "The format it came in"],
  ["png", "PNG, exact, up to 16 bits"],
  ["tiff", "TIFF, exact, any depth"],
  ["jpg", "JPEG, 8 bits"],
  ["webp", "WebP, 8 bits"],
  ["avif", "AVIF, small, up to 12 bits"],
  ["heic", "HEIC, small, up to 12 bits"],
];

/** The formats that lose something, and how much is a choice. */
export const LOSSY = ["jpg", "webp", "avif", "heic"];

export const QUALITIES = [
  ["", "Usual"],
  ["100", "100, largest file"],
  ["95", "95, very good"],
  ["90", "90, good"],
  ["80", "80, small file"],
  ["60", "60, smallest file"],
];

const STATES = {
  waiting: "Waits for its turn",
  sending: "Reading the file",
  queued: "Waits for its turn",
  done: "Restored",
  cancelled: "Stopped",
};

/** How far a picture is, in a few words. */
export function stateWords(item) {
  if (item.state === "failed") return item.problem;
  if (item.state === "running") return item.progress ? `Restoring, ${percent(item.progress)}` : "Restoring";
  if (item.state === "done" && item.receipt.share === 0) return "Nothing to mend was found";
  if (item.state === "done") return `Restored in ${seconds(item.receipt.seconds)}`;
  return STATES[item.state];
}

/** How long it will still take, once that can be told. */
export function leftWords(item) {
  if (item.state !== "running" || item.progress < 0.1) return "";
  const left = ((performance.now() - item.started) / 1000) * (1 / item.progress - 1);
  return left >= 2 ? `about ${seconds(left)} left` : "nearly there";
}

/** What the network changed, from a receipt. */
export function changeWords({ share, changed }) {
  if (!changed) return "Nothing: no fault of this kind was found, so the picture is as it was";
  if (share < 0.995) return `${percent(share)} of what the network proposed, as there was little to mend`;
  return "All that the network proposed";
}

const REMEDIES = {
  none: "left so",
  fp32: "computed again, more precisely",
  smaller: "computed again, in smaller pieces",
  "input kept": "kept as it was",
};

/** What was wrong with tiles → sentences, each problem once. */
export function eventWords(events) {
  const counts = new Map();
  for (const { problem, remedy } of events) {
    const words = `${problem}; ${REMEDIES[remedy] ?? remedy}`;
    counts.set(words, (counts.get(words) ?? 0) + 1);
  }
  return [...counts].map(([words, count]) => `${count} ${count === 1 ? "tile" : "tiles"}: ${words}`);
}

/** A warning as a sentence, without the options of a command that are no use here. */
export function warningWords(warning) {
  const words = warning.replace(/; --.*$/, "").trim();
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}${/[.!?]$/.test(words) ? "" : "."}`;
}

const DEPTHS = { uint8: "8 bits", uint16: "16 bits", uint32: "32 bits", float16: "16-bit float", float32: "32-bit float" };

/** What a file held, from a receipt. */
export function pictureWords({ format, width, height, channels, depth, alpha, frames }) {
  const parts = [`${width} × ${height}`, DEPTHS[depth] ?? depth, channels === 1 ? "grey" : "colour"];
  if (alpha) parts.push("transparent");
  if (frames > 1) parts.push(`${frames} frames`);
  return `${format ?? "Picture"}, ${parts.join(", ")}`;
}

const CARRIED = {
  exif: "camera data (EXIF)",
  icc: "colour profile",
  cicp: "colour description",
  xmp: "XMP",
  iptc: "captions (IPTC)",
  text: "comments",
  dpi: "resolution",
};

/** Names of what was carried from the file to the result → words. */
export function carriedWords(names) {
  return names.length ? names.map((name) => CARRIED[name] ?? name).join(", ") : "nothing but the pixels was there";
}

export const percent = (share) => `${Math.round(share * 100)} %`;

export function seconds(value) {
  if (value < 10) return `${value.toFixed(1)} s`;
  return value < 90 ? `${Math.round(value)} s` : `${Math.round(value / 60)} min`;
}

/** A size in bytes. */
export function bytes(count) {
  if (count < 1000) return `${count} bytes`;
  return count < 1e6 ? `${Math.round(count / 1e3)} kB` : `${(count / 1e6).toFixed(1)} MB`;
}
