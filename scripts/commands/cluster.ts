import { clusterFolder } from "@payflow/one-machine/cluster/cluster.ts";
import { Command } from "commander";
import { bringClusterDown, bringClusterUp, clusterKubeconfig } from "../cluster/from-outside.ts";
import { type StateFlag, stateOption, wholeNumber } from "./state-option.ts";

interface UpFlags extends StateFlag {
  readonly port?: number;
}

export function clusterCommand(): Command {
  return new Command("cluster")
    .description("A Kubernetes API on this machine: etcd, kube-apiserver and kube-controller-manager.")
    .addCommand(upCommand())
    .addCommand(downCommand())
    .addCommand(kubeconfigCommand())
    .addCommand(runCommand(), { hidden: true });
}

function upCommand(): Command {
  return new Command("up")
    .description(
      "Starts the cluster and waits until it is ready. The first time it is built from its source with Go, " +
        "which takes minutes.",
    )
    .option("--port <n>", "of the API, 6443 at first; the next three are used too", wholeNumber)
    .addOption(stateOption())
    .action(async ({ state, port }: UpFlags) => console.log(await bringClusterUp(state, port)));
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
