import { runOrder } from "./http-load.ts";

// Whoever starts this program gives the bytes of requests, which are sent in turns.
if (import.meta.main) {
  await runOrder((content) => {
    const requests = content as readonly string[];
    let next = 0;
    return () => requests[next++ % requests.length] ?? "";
  });
}
