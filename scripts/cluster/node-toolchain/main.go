// Command kube-node is what a cluster needs besides its API in order to run pods, in one binary: the programs of a node,
// a name server, and what keeps the node apart from the machine. Its first argument says which of them it is.
package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

var programs = map[string]func() error{
	"kubelet":        command(func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) }),
	"kube-proxy":     command(proxy.NewProxyCommand),
	"kube-scheduler": command(func() *cobra.Command { return scheduler.NewSchedulerCommand() }),
	"cluster-dns":    runNameServer,
	"relay":          runRelay,
	"namespaces":     runInNamespaces,
	"init":           runAsInit,
	"remove-cgroups": runRemoveCgroups,
}

func command(of func() *cobra.Command) func() error {
	return func() error {
		os.Exit(cli.Run(of()))
		return nil
	}
}

func init() {
	// The first thread is main's alone. The kernel ends a child with the thread that started it, and a thread that has moved
	// to another network cannot be ended where it is the first: the process would hold on to that network.
	runtime.LockOSThread()
}

func main() {
	if len(os.Args) > 1 {
		if run := programs[os.Args[1]]; run != nil {
			name := os.Args[1]
			// Each program reads its own name first.
			os.Args = os.Args[1:]
			if err := run(); err != nil {
				fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
				os.Exit(1)
			}
			return
		}
	}
	names := slices.Sorted(maps.Keys(programs))
	fmt.Fprintf(os.Stderr, "usage: kube-node (%s) ...\n", strings.Join(names, "|"))
	os.Exit(2)
}
