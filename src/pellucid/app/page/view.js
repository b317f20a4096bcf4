// Zoom and pan of a picture on a stage.

const LARGEST = 16; // pixels of the screen to one of the picture
const FIT_LARGEST = 2; // the same, for small pictures that are shown whole

/** Where the picture lies on the stage: its scale and its left upper corner, in pixels of CSS. */
export class View {
  scale = 1;
  x = 0;
  y = 0;
  isFit = true;

  /** Show a picture of a size whole on a stage of a size. */
  fit(picture, stage) {
    const largest = FIT_LARGEST / devicePixelRatio;
    this.scale = Math.min(stage.width / picture.width, stage.height / picture.height, largest);
    this.isFit = true;
    this.settle(picture, stage);
  }

  /** Zoom, and keep the point {x, y} of the stage where it is. */
  zoom(scale, point, picture, stage) {
    const least = Math.min(stage.width / picture.width, stage.height / picture.height, 1 / devicePixelRatio);
    const next = Math.min(Math.max(scale, least), LARGEST / devicePixelRatio);
    this.x = point.x - ((point.x - this.x) * next) / this.scale;
    this.y = point.y - ((point.y - this.y) * next) / this.scale;
    this.scale = next;
    this.isFit = false;
    this.settle(picture, stage);
  }

  move(dx, dy, picture, stage) {
    this.x += dx;
    this.y += dy;
    this.settle(picture, stage);
  }

  /** Leave no gap at a side that could be filled, and centre what is smaller than the stage. */
  settle(picture, stage) {
    this.x = settled(this.x, picture.width * this.scale, stage.width);
    this.y = settled(this.y, picture.height * this.scale, stage.height);
  }
}

function settled(at, length, room) {
  return length <= room ? (room - length) / 2 : Math.min(0, Math.max(room - length, at));
}
