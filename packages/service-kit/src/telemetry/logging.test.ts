import { expect, test } from "bun:test";
import { createLogger } from "./logging.ts";
import { withoutSecrets } from "./secrets-in-text.ts";

const key = `pfk_live_${"a1B2".repeat(9)}zz`;
const signingSecret = `whsec_${Buffer.from("0123456789abcdef0123456789abcdef").toString("base64")}`;

/** What one call wrote. */
function written(log: (logger: ReturnType<typeof createLogger>) => void, secrets: string[] = []): string {
  const lines: string[] = [];
  log(createLogger("example", "trace", { secrets, write: (line) => lines.push(line) }));
  return lines.join("");
}

test("keys, secrets, passwords and card numbers are cut out of a line, wherever they stand", () => {
  const line = written(
    (logger) => {
      const err = new Error(`no such thing: ${key}`, { cause: new Error("4111 1111 1111 1111 was refused") });
      logger.error({ err, path: `/payments/${key}`, deep: { er: { note: signingSecret } } }, "it failed");
      logger.info({ url: "postgres://payment_service:hunter2@127.0.0.1/payflow_payment" }, "token-of-ours");
      logger.info({ card: "5555555555554444", other: "4111-1111-1111-1111" });
      logger.info({ signing_secret: "plain", headers: { authorization: "Bearer plain" } });
    },
    ["token-of-ours"],
  );
  for (const secret of [key, signingSecret, "1111", "hunter2", "token-of-ours", "4444", "plain"]) {
    expect(line).not.toContain(secret);
  }
  expect(line).toContain("postgres://payment_service:[secret]@127.0.0.1/payflow_payment");
});

test("times, ids, amounts and trace ids stay as they are", () => {
  const text = JSON.stringify({
    time: "2026-11-21T10:08:16.123Z",
    ms: 1_795_255_696_123,
    amount: 999_999_999_999,
    payment_id: "pay_01kakr0m2nf5zs2xj7d2h7h3gq",
    uuid: "01939f6e-5c7e-7b3a-9c1d-2f3a4b5c6d7e",
    trace_id: "4bf92f3577b34da6a3ce929d0e0e4736",
    number: 4_111_111_111_111_112,
  });
  expect(withoutSecrets(text)).toBe(text);
});

test("of an error only known fields are told, not the row or the command that it quotes", () => {
  const driverError = Object.assign(new Error("new row violates check constraint"), {
    code: "23514",
    constraint_name: "payment_amount",
    detail: "Failing row contains (pay_1, private words).",
    command: { name: "xadd", args: ["private words"] },
    parameters: ["private words"],
  });
  const line = written((logger) => logger.error({ err: new Error("outer", { cause: driverError }) }));
  expect(line).not.toContain("private words");
  expect(JSON.parse(line).err.cause).toMatchObject({ code: "23514", constraint_name: "payment_amount" });
});
