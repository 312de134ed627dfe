import { clusterFolder } from "@payflow/one-machine/cluster/cluster.ts";
import { loadIntoNode } from "@payflow/one-machine/cluster/node/node-cluster.ts";
import { storeAddressesOf } from "@payflow/one-machine/cluster/node/node-stores.ts";
import { Command } from "commander";
import { chartSecrets } from "../cluster/chart-secrets.ts";
import { bringClusterDown, bringClusterUp, clusterKubeconfig } from "../cluster/from-outside.ts";
import { type StateFlag, stateOption, wholeNumber } from "./state-option.ts";

interface UpFlags extends StateFlag {
  readonly port?: number;
  readonly node?: boolean;
}

export function clusterCommand(): Command {
  return new Command("cluster")
    .description("Kubernetes on this machine: its API, and with --node something that runs pods.")
    .addCommand(upCommand())
    .addCommand(downCommand())
    .addCommand(kubeconfigCommand())
    .addCommand(loadCommand())
    .addCommand(storesCommand())
    .addCommand(secretsCommand())
    .addCommand(runCommand(), { hidden: true });
}

function upCommand(): Command {
  return new Command("up")
    .description(
      "Starts the cluster and waits until it is ready. The first time it is built from its source with Go, " +
        "which takes minutes.",
    )
    .option("--port <n>", "of the API, 6443 at first; the next three are used too", wholeNumber)
    .option(
      "--node",
      "with a node, so that pods run, and with PostgreSQL, Redis and Kafka in their network; needs root on Linux",
    )
    .option("--no-node", "without one again")
    .addOption(stateOption())
    .action(async ({ state, ...wanted }: UpFlags) => console.log(await bringClusterUp(state, wanted)));
}

function downCommand(): Command {
  return new Command("down")
    .description("Ends the cluster; its objects stay for the next up, until ./payflow reset.")
    .addOption(stateOption())
    .action(async ({ state }: StateFlag) => {
      const hasEnded = await bringClusterDown(state);
      console.log(hasEnded ? "The cluster has ended. Its objects are kept." : "No cluster is running.");
    });
}

function kubeconfigCommand(): Command {
  return new Command("kubeconfig")
    .description("Prints the path of a kubeconfig that may do everything.")
    .addOption(stateOption())
    .action(({ state }: StateFlag) => console.log(clusterKubeconfig(state)));
}

function loadCommand(): Command {
  return new Command("load")
    .description("Brings the images of an archive into the node, where pods ask for them by name or digest.")
    .argument("<archive>", "as ./payflow image or docker save write it")
    .addOption(stateOption())
    .action((archive: string, { state }: StateFlag) => {
      for (const { name, digest } of loadIntoNode(clusterFolder(state), archive)) {
        console.log(`${name}  ${digest}`);
      }
    });
}

function storesCommand(): Command {
  return new Command("stores")
    .description("Prints how pods reach the stores in the node's network, with passwords, as JSON.")
    .addOption(stateOption())
    .action(({ state }: StateFlag) => {
      console.log(JSON.stringify(storeAddressesOf(clusterFolder(state)), null, 2));
    });
}

function secretsCommand(): Command {
  return new Command("secrets")
    .description("Prints the Secrets that the chart asks for, with these stores, for kubectl apply -f -.")
    .addOption(stateOption())
    .action(({ state }: StateFlag) => console.log(JSON.stringify(chartSecrets(clusterFolder(state)))));
}

/** What `up` leaves running: the supervisor. */
function runCommand(): Command {
  return new Command("run")
    .description("Runs the cluster in the foreground, with the settings that up has kept.")
    .addOption(stateOption())
    .action(async ({ state }: StateFlag) => {
      const [{ runCluster }, { readClusterSettings }] = await Promise.all([
        import("../cluster/in-foreground.ts"),
        import("../cluster/settings.ts"),
      ]);
      const folder = clusterFolder(state);
      const settings = readClusterSettings(folder);
      if (settings === null) throw new Error("There is no cluster yet. Start it with ./payflow cluster up.");
      await runCluster(folder, settings);
    });
}
