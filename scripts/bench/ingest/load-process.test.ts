import { expect, test } from "bun:test";
import { announcedLength } from "./load-process.ts";

function lengthOf(head: string): number | null {
  const bytes = Buffer.from(`${head}\r\n\r\n{}`);
  return announcedLength(bytes, bytes.indexOf("\r\n\r\n"));
}

test("an answer's length is read from its head, however the header is written", () => {
  expect(lengthOf("HTTP/1.1 202 Accepted\r\ncontent-length: 143\r\ndate: now")).toBe(143);
  expect(lengthOf("HTTP/1.1 202 Accepted\r\nContent-Length: 0")).toBe(0);
  expect(lengthOf("HTTP/1.1 202 Accepted\r\ndate: now")).toBeNull();
});

test("a head that has not come to its end tells nothing", () => {
  expect(announcedLength(Buffer.from("HTTP/1.1 202 Accepted\r\ncontent-le"), -1)).toBeNull();
});
