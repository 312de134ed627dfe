import { beforeAll, describe, expect, test } from "bun:test";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type InstalledPayFlow, restrictedNamespace } from "./installed.ts";
import { onceJob, webServer } from "./web-server.ts";

const patienceMs = 120_000;

/** What pods of any kind may count on, tried with programs that our image's Bun runs. */
export function podTests(payflow: () => InstalledPayFlow): void {
  describe("pods", () => {
    let namespace = "";

    beforeAll(async () => {
      namespace = await restrictedNamespace(payflow().cluster, "pods");
      const { name, digest } = payflow().image;
      const byDigest = `${name.replace(/:[^/:]*$/, "")}@${digest}`;
      await kubectl(["apply", "-f", "-"], webServer(byDigest, 2));
      await kubectl(["rollout", "status", "deployment/web", "--timeout=90s"]);
    }, patienceMs);

    const kubectl = async (words: readonly string[], objects?: unknown) => {
      const input = objects === undefined ? {} : { input: JSON.stringify(objects) };
      const done = await payflow().cluster.kubectl(["-n", namespace, ...words], input);
      if (done.exitCode !== 0) throw new Error(done.stderr);
      return done.stdout.trim();
    };

    /** What the program printed, once it has ended well. */
    async function outputOf(name: string, program: string): Promise<string> {
      await kubectl(["apply", "-f", "-"], onceJob(payflow().image.name, name, program));
      await kubectl(["wait", "--for=condition=complete", `job/${name}`, "--timeout=60s"]);
      return kubectl(["logs", `job/${name}`]);
    }

    test(
      "that are confined run the image by its digest, and answer by their service from outside",
      async () => {
        const address = await kubectl(["get", "service", "web", "-o", "jsonpath={.spec.clusterIP}"]);
        const web = await payflow().cluster.forward(`${address}:80`);
        const pods = new Set<string>();
        await eventually(async () => {
          const answer = await fetch(web, { headers: { connection: "close" } });
          pods.add(await answer.text());
          return pods.size === 2;
        });
        expect([...pods].every((name) => name.startsWith("web-"))).toBe(true);
      },
      patienceMs,
    );

    // Each waits for a pod of its own.
    test.concurrent(
      "find services by name, and the API with their own account's authority",
      async () => {
        const said = await outputOf(
          "asks",
          `const mount = "/var/run/secrets/kubernetes.io/serviceaccount/";
         const ca = await Bun.file(mount + "ca.crt").text();
         const authorization = "Bearer " + (await Bun.file(mount + "token").text());
         const api = await fetch("https://kubernetes.default.svc/version", { tls: { ca }, headers: { authorization } });
         const web = await fetch("http://web.${namespace}.svc.cluster.local");
         const nobody = await fetch("http://nobody.${namespace}.svc").catch((error) => error.code);
         console.log(JSON.stringify([(await api.json()).major, (await web.text()).slice(0, 4), nobody]));`,
        );
        expect(JSON.parse(said)).toEqual([
          "1",
          "web-",
          expect.stringMatching(/ENOTFOUND|ConnectionRefused|FailedToOpenSocket/),
        ]);
      },
      patienceMs,
    );

    test.concurrent(
      "reach PostgreSQL, both Redis and Kafka in their own network",
      async () => {
        const { databases, cacheRedis, durableRedis, kafkaBrokers } = payflow().cluster.stores();
        const said = await outputOf(
          "uses-stores",
          `const sql = new Bun.SQL("${databases.payment?.service}");
         const [row] = await sql\`select current_database() as database, current_user as role\`;
         const pongs = [];
         for (const url of ["${cacheRedis}", "${durableRedis}"]) {
           const redis = new Bun.RedisClient(url);
           pongs.push(await redis.send("PING", []));
           redis.close();
         }
         const [hostname, port] = "${kafkaBrokers}".split(":");
         const broker = await new Promise((resolve) => Bun.connect({ hostname, port: Number(port), socket: {
           open: (socket) => { socket.end(); resolve("open"); }, data: () => {}, connectError: () => resolve("shut"),
         } }));
         await sql.close();
         console.log(JSON.stringify([row.database, row.role, ...pongs, broker]));`,
        );
        expect(JSON.parse(said)).toEqual(["payflow_payment", "payment_service", "PONG", "PONG", "open"]);
      },
      patienceMs,
    );

    test.concurrent(
      "reach a server outside that was exposed to them, and nothing else outside",
      async () => {
        const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("outside") });
        const hidden = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("hidden") });
        try {
          const address = await payflow().cluster.expose(server.port ?? 0);
          const said = await outputOf(
            "looks-outside",
            `const ask = (url) => fetch(url, { signal: AbortSignal.timeout(3000) }).then((answer) => answer.text(), () => "refused");
           console.log(JSON.stringify(await Promise.all([ask("http://${address}"), ask("http://10.77.0.1:${hidden.port}")])));`,
          );
          expect(JSON.parse(said)).toEqual(["outside", "refused"]);
        } finally {
          await server.stop(true);
          await hidden.stop(true);
        }
      },
      patienceMs,
    );
  });
}
