// Pictures as a browser shows them.

const THUMBNAIL = 128; // pixels a side

/** An image of a blob, decoded; null if the browser cannot show such. */
export async function decode(blob) {
  const image = new Image();
  image.src = URL.createObjectURL(blob);
  try {
    await image.decode();
    if (image.naturalWidth) return image; // an SVG may have no size
  } catch {
    // it is of a format of its own
  }
  URL.revokeObjectURL(image.src);
  return null;
}

/** The middle of an image, small, as a canvas. */
export function thumbnail(image) {
  const canvas = Object.assign(document.createElement("canvas"), { width: THUMBNAIL, height: THUMBNAIL });
  const context = canvas.getContext("2d");
  const scale = THUMBNAIL / Math.min(image.naturalWidth, image.naturalHeight);
  const [width, height] = [image.naturalWidth * scale, image.naturalHeight * scale];
  context.imageSmoothingQuality = "high";
  context.drawImage(image, (THUMBNAIL - width) / 2, (THUMBNAIL - height) / 2, width, height);
  return canvas;
}

/** Draw a strip of a small picture where it belongs; gives the canvas of the whole, made with the first strip. */
export async function drawStrip(canvas, { top, width, whole, jpeg }) {
  const strip = await createImageBitmap(decodeBase64(jpeg));
  canvas ??= Object.assign(document.createElement("canvas"), { width, height: whole });
  canvas.getContext("2d").drawImage(strip, 0, top);
  strip.close();
  return canvas;
}

function decodeBase64(text) {
  return new Blob([Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))], { type: "image/jpeg" });
}
