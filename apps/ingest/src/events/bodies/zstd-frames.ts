const frameMagic = 0xfd2fb528;
const firstSkippableMagic = 0x184d2a50;

/** A sender appends a few frames to one another; thousands of empty ones would only cost time. */
const maxFrames = 1_000;

/** What the headers of zstd frames announce. */
export interface FramesNeed {
  /** The bytes of content, of those frames that tell. */
  readonly content: number;
  /** The widest window, in bytes, of those that do not hold all their content at once. */
  readonly window: number;
}

/**
 * What a reader of zstd frames (RFC 8878) needs to hold. Null where the bytes are not whole frames and
 * nothing else: the runtime's decoder takes a cut frame, and whatever stands behind the last one, without a
 * word.
 */
export function zstdNeeds(bytes: Uint8Array): FramesNeed | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  let content = 0;
  let window = 0;
  try {
    for (let frames = 0; at < bytes.length; frames += 1) {
      if (frames === maxFrames) return null;
      const frame = frameAt(view, at);
      at = frame.end;
      content += frame.content;
      window = Math.max(window, frame.window);
    }
  } catch (error) {
    // The view's way to say that a frame is cut.
    if (error instanceof RangeError) return null;
    throw error;
  }
  return at === bytes.length && at > 0 ? { content, window } : null;
}

interface Frame extends FramesNeed {
  /** Where it ends. */
  readonly end: number;
}

/** The frame that begins here. Throws `RangeError` for what is none. */
function frameAt(view: DataView, start: number): Frame {
  const magic = view.getUint32(start, true);
  if ((magic & 0xfffffff0) >>> 0 === firstSkippableMagic) {
    return { end: start + 8 + view.getUint32(start + 4, true), window: 0, content: 0 };
  }
  if (magic !== frameMagic) throw new RangeError("not a frame");
  const descriptor = view.getUint8(start + 4);
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const hasChecksum = (descriptor & 0x04) !== 0;
  let at = start + 5;
  let window = 0;
  // A single segment's window is its content.
  if (!isSingleSegment) {
    const base = 2 ** (10 + (view.getUint8(at) >> 3));
    window = base + (base / 8) * (view.getUint8(at) & 7);
    at += 1;
  }
  at += [0, 1, 2, 4][descriptor & 3] ?? 0;
  const sizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0;
  const content = contentSize(view, at, sizeBytes);
  const end = blocksEnd(view, at + sizeBytes) + (hasChecksum ? 4 : 0);
  if (end > view.byteLength) throw new RangeError("cut");
  return { end, window, content };
}

function contentSize(view: DataView, at: number, bytes: number): number {
  switch (bytes) {
    case 1:
      return view.getUint8(at);
    case 2:
      return view.getUint16(at, true) + 256;
    case 4:
      return view.getUint32(at, true);
    case 8:
      return Number(view.getBigUint64(at, true));
    default:
      return 0;
  }
}

function blocksEnd(view: DataView, start: number): number {
  let at = start;
  for (let isLast = false; !isLast; ) {
    const header = view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
    isLast = (header & 1) !== 0;
    const type = (header >> 1) & 3;
    if (type === 3) throw new RangeError("not a block");
    // A block of one repeated byte holds that byte alone.
    at += 3 + (type === 1 ? 1 : header >> 3);
  }
  return at;
}
