// Many files in one: a ZIP archive (APPNOTE 6.3), stored as they are, since pictures are compressed already.

const UTF8 = 0x0800; // flag: names are UTF-8
const MOST = 4 * 2 ** 30 - 2 ** 26; // bytes of an archive without ZIP64, with room for names
const CRC = Uint32Array.from({ length: 256 }, (_, value) => {
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

/** Archives of [{name, blob}]: one, or several where one would be larger than ZIP allows. */
export async function zip(files) {
  const archives = [];
  let part = [];
  let bytes = 0;
  for (const file of withOwnNames(files)) {
    if (part.length && bytes + file.blob.size > MOST) {
      archives.push(await archive(part));
      [part, bytes] = [[], 0];
    }
    part.push(file);
    bytes += file.blob.size;
  }
  return [...archives, await archive(part)];
}

function withOwnNames(files) {
  const taken = new Set();
  return files.map(({ name, blob }) => {
    let own = name;
    for (let count = 2; taken.has(own); count++) own = name.replace(/(\.[^./]*)?$/, ` (${count})$1`);
    taken.add(own);
    return { name: own, blob };
  });
}

async function archive(files) {
  const parts = [];
  const directory = [];
  let offset = 0;
  for (const { name, blob } of files) {
    const letters = new TextEncoder().encode(name);
    const head = await header(blob, letters.length);
    parts.push(record(0x04034b50, head), letters, blob);
    // made by version 2.0; then comment, disk and attributes, all none, and where the file begins
    directory.push(record(0x02014b50, [[2, 20], ...head, [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]]), letters);
    offset += 30 + letters.length + blob.size;
  }
  const length = directory.reduce((sum, piece) => sum + piece.length, 0);
  const count = [2, files.length];
  const end = record(0x06054b50, [[2, 0], [2, 0], count, count, [4, length], [4, offset], [2, 0]]);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}

/** What the header of a file and its line in the directory share, as [bytes, value]. */
async function header(blob, nameLength) {
  const now = new Date();
  const time = (now.getHours() << 11) | (now.getMinutes() << 5) | (now.getSeconds() >> 1);
  const day = ((now.getFullYear() - 1980) << 9) | ((now.getMonth() + 1) << 5) | now.getDate();
  const size = [4, blob.size];
  return [[2, 20], [2, UTF8], [2, 0], [2, time], [2, day], [4, await checksum(blob)], size, size, [2, nameLength], [2, 0]];
}

function record(signature, fields) {
  const all = [[4, signature], ...fields];
  const view = new DataView(new ArrayBuffer(all.reduce((sum, [bytes]) => sum + bytes, 0)));
  let at = 0;
  for (const [bytes, value] of all) {
    if (bytes === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += bytes;
  }
  return new Uint8Array(view.buffer);
}

async function checksum(blob) {
  let crc = 0xffffffff;
  const reader = blob.stream().getReader();
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    for (const byte of read.value) crc = CRC[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
