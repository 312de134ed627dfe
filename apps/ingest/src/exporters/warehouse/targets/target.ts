/**
 * Where files go. Each method rejects when the target cannot be reached or refuses; trying again is always
 * safe.
 */
export interface ExportTarget {
  /**
   * Puts a whole file under a path of the target's, in the place of one that has it; on return it is durable,
   * and nobody ever sees a part of it.
   */
  put(path: string, pieces: readonly Uint8Array[], signal: AbortSignal): Promise<void>;
}
