/**
 * Passed by whoever does something that may be broken off right here; the names say what has just been done.
 * Does nothing but in tests, where the process ends or freezes at the one that was asked for.
 */
export type CrashPoint = (name: string) => void;

export const noCrash: CrashPoint = () => {};

/** Sends this process the signal at the named point, each time it is passed. */
export function crashAt(name: string, signal: NodeJS.Signals): CrashPoint {
  return (passed) => {
    if (passed === name) process.kill(process.pid, signal);
  };
}
