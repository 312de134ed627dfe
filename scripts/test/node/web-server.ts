/** Objects of a small web server that answers with its pod's name, as strictly confined as our own apps. */
export function webServer(image: string, replicas: number): unknown {
  const labels = { app: "web" };
  const program = "Bun.serve({ port: 8080, fetch: () => new Response(require('node:os').hostname()) })";
  return {
    apiVersion: "v1",
    kind: "List",
    items: [
      {
        apiVersion: "apps/v1",
        kind: "Deployment",
        metadata: { name: "web" },
        spec: {
          replicas,
          selector: { matchLabels: labels },
          template: {
            metadata: { labels },
            spec: {
              automountServiceAccountToken: false,
              securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
              containers: [
                {
                  name: "web",
                  image,
                  command: ["/usr/local/bin/bun", "-e", program],
                  readinessProbe: { httpGet: { port: 8_080, path: "/" }, periodSeconds: 1 },
                  resources: { requests: { cpu: "10m", memory: "64Mi" }, limits: { memory: "128Mi" } },
                  securityContext: confined,
                },
              ],
            },
          },
        },
      },
      {
        apiVersion: "v1",
        kind: "Service",
        metadata: { name: "web" },
        spec: { selector: labels, ports: [{ port: 80, targetPort: 8_080 }] },
      },
    ],
  };
}

const confined = {
  readOnlyRootFilesystem: true,
  allowPrivilegeEscalation: false,
  capabilities: { drop: ["ALL"] },
};

/** A job that runs a program of Bun's once, and whose log is what it prints. */
export function onceJob(image: string, name: string, program: string): unknown {
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name },
    spec: {
      backoffLimit: 0,
      template: {
        spec: {
          restartPolicy: "Never",
          securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
          containers: [
            {
              name,
              image,
              command: ["/usr/local/bin/bun", "-e", program],
              securityContext: confined,
            },
          ],
        },
      },
    },
  };
}
