import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { identify, isAlive, type ProcessIdentity } from "./child.ts";

/**
 * Whether nobody listens on a loopback port. The look asks for the port exclusively, since two servers that
 * share ports on purpose (SO_REUSEPORT) would otherwise steal each other's requests without an error.
 */
export function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen({ port, host: "127.0.0.1", exclusive: true }, () => probe.close(() => resolve(true)));
  });
}

/**
 * Below the range from which Linux takes the ports of outgoing connections, so that none of those is in the
 * way.
 */
const firstBase = 10_000;
const lastBase = 30_000;

/**
 * A port base for an installation that lives as long as this process: public ports from base, internal ones
 * from base + 1000, stores and the rest from base + 2000 to base + 2099. No two of these overlap, and no
 * other process is given the same.
 */
export async function reservePortBase(): Promise<number> {
  const bases: number[] = [];
  for (let thousand = firstBase; thousand + 2_999 < lastBase; thousand += 3_000) {
    for (let hundred = 0; hundred < 10; hundred += 1) bases.push(thousand + hundred * 100);
  }
  const start = Math.floor(Math.random() * bases.length);
  for (const base of [...bases.slice(start), ...bases.slice(0, start)]) {
    if (!claim(base)) continue;
    const areFree = await Promise.all(portsOf(base).map(isPortFree));
    if (areFree.every(Boolean)) return base;
    release(base);
  }
  throw new Error(`No block of free ports is left between ${firstBase} and ${lastBase}.`);
}

/** Lets others have a reserved port base again. */
export function releasePortBase(base: number): void {
  release(base);
}

let ownBase: Promise<number> | undefined;
let handedOut = 0;

/** A free loopback port that no other call, in this process or another, is given while this process lives. */
export async function reservePort(): Promise<number> {
  ownBase ??= reservePortBase();
  const base = await ownBase;
  for (; handedOut < 100; ) {
    const port = base + 2_000 + handedOut;
    handedOut += 1;
    if (await isPortFree(port)) return port;
  }
  ownBase = undefined;
  handedOut = 0;
  return reservePort();
}

function portsOf(base: number): number[] {
  const near = Array.from({ length: 6 }, (_, offset) => [base + offset, base + 1_000 + offset]).flat();
  return [...near, ...Array.from({ length: 100 }, (_, offset) => base + 2_000 + offset)];
}

function claim(base: number): boolean {
  const owner = identify(process.pid);
  for (let attempt = 0; attempt < 2; attempt += 1) {
    try {
      writeFileSync(reservationFile(base), JSON.stringify(owner), { flag: "wx" });
      return true;
    } catch {
      if (!isAbandoned(base)) return false;
      release(base);
    }
  }
  return false;
}

function isAbandoned(base: number): boolean {
  try {
    const owner: ProcessIdentity = JSON.parse(readFileSync(reservationFile(base), "utf8"));
    return !isAlive(owner);
  } catch {
    // Unreadable means that its owner is writing it just now, or that it belongs to another user.
    return false;
  }
}

function release(base: number): void {
  rmSync(reservationFile(base), { force: true });
}

function reservationFile(base: number): string {
  // TMPDIR may differ from process to process, and reservations must meet.
  const folder = `/tmp/payflow-ports-${process.getuid?.() ?? 0}`;
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, 0o700);
  return path.join(folder, `${base}`);
}
