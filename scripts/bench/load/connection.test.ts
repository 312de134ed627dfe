import { expect, test } from "bun:test";
import { Connection, type HttpAnswer } from "./connection.ts";

test("a connection that the server has ended between two requests is made anew for the second", async () => {
  let made = 0;
  const server = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open: () => {
        made += 1;
      },
      data: (socket) => {
        socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        if (made === 1) socket.end();
      },
    },
  });
  const connection = await Connection.open(server.port);
  const ask = () =>
    new Promise<HttpAnswer>((resolve) =>
      connection.ask("GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n", resolve),
    );
  expect(await ask()).toEqual({ status: 200, body: "ok" });
  await Bun.sleep(50);
  expect(await ask()).toEqual({ status: 200, body: "ok" });
  expect(made).toBe(2);
  connection.close();
  server.stop(true);
});
