/**
 * Passed by whoever does something that may be broken off right here; the names say what has just been done.
 * Does nothing but in tests, where the process ends or freezes at the one that was asked for.
 */
export type CrashPoint = (name: string) => void;

export const noCrash: CrashPoint = () => {};

/**
 * Sends this process the signal at a point: `<name>` whenever that one is passed, `*:<number>` at the so many
 * points from the start, whichever it is.
 */
export function crashAt(point: string, signal: NodeJS.Signals): CrashPoint {
  const [name = "", number] = point.split(":");
  let passed = 0;
  return (passing) => {
    passed += 1;
    if (number === undefined ? passing === name : passed === Number(number))
      process.kill(process.pid, signal);
  };
}
