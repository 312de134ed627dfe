import { createHmac, timingSafeEqual } from "node:crypto";
import { DomainError } from "@payflow/contracts/errors.ts";
import { Type } from "@sinclair/typebox";

/** The query fields of every list. */
export const pageQuery = {
  limit: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 100, default: 20, description: "Rows of a page." }),
  ),
  cursor: Type.Optional(
    Type.String({ minLength: 1, maxLength: 500, description: "`next_cursor` of the page before." }),
  ),
};

export interface Page<T> {
  readonly data: readonly T[];
  readonly next_cursor: string | null;
  readonly has_more: boolean;
}

export interface Cursors {
  /** Seals a position (the sort key of a page's last row) for one owner: list, tenant and mode. */
  encode(owner: string, position: string): string;
  /** The position; throws `invalid_cursor` for a cursor that is mangled or another owner's. */
  decode(owner: string, cursor: string): string;
}

/** Opaque cursors, sealed with HMAC-SHA-256 over owner and position. */
export function createCursors(secret: string): Cursors {
  const seal = (owner: string, position: string) =>
    createHmac("sha256", secret).update(`cursor\0${owner}\0${position}`).digest().subarray(0, 12);
  return {
    encode: (owner, position) =>
      Buffer.concat([seal(owner, position), Buffer.from(position, "utf8")]).toString("base64url"),
    decode(owner, cursor) {
      const bytes = Buffer.from(cursor, "base64url");
      const position = bytes.subarray(12).toString("utf8");
      const isSealed = bytes.length > 12 && timingSafeEqual(bytes.subarray(0, 12), seal(owner, position));
      if (!isSealed || bytes.toString("base64url") !== cursor) throw new DomainError("invalid_cursor");
      return position;
    },
  };
}

/** A page from up to `limit + 1` rows: the row too many only tells that there is more. */
export function toPage<Row, Item>(
  rows: readonly Row[],
  limit: number,
  toItem: (row: Row) => Item,
  toCursor: (last: Row) => string,
): Page<Item> {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  const hasMore = rows.length > limit && last !== undefined;
  return { data: shown.map(toItem), next_cursor: hasMore ? toCursor(last) : null, has_more: hasMore };
}
