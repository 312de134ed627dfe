import { describe, expect, test } from "bun:test";
import { urlProblem } from "./endpoint.ts";

describe("a URL for webhooks", () => {
  test.each([
    "https://example.com",
    "https://example.com/hooks?tenant=1",
    "https://example.com:8443/",
    "https://93.184.216.34/",
    "https://[2606:4700::1111]/",
    "https://xn--bcher-kva.example/",
  ])("may be %s", (url) => {
    expect(urlProblem(url, false)).toBeNull();
  });

  test.each([
    "http://example.com/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "example.com",
    "",
    "https://",
    "https://user@example.com/",
    "https://user:password@example.com/",
    "https://example.com/#fragment",
    "https://example.com/#",
    "https://exa mple.com/",
    " https://example.com/",
    "https://example.com:0/",
    "https://localhost/",
    "https://api.localhost/",
    "https://printer.local/",
    "https://metadata.google.internal/",
    "https://localhost./",
  ])("may not be %j", (url) => {
    expect(urlProblem(url, false)).not.toBeNull();
  });

  test("may be http and private where that is allowed, but still without credentials or fragment", () => {
    expect(urlProblem("http://127.0.0.1:3000/", true)).toBeNull();
    expect(urlProblem("http://localhost/", true)).toBeNull();
    expect(urlProblem("ftp://127.0.0.1/", true)).not.toBeNull();
    expect(urlProblem("http://user@127.0.0.1/", true)).not.toBeNull();
    expect(urlProblem("http://127.0.0.1/#x", true)).not.toBeNull();
  });
});
