package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink"
)

const private = "/run/payflow"

// mountFolders gives what the node writes outside of its state a place that goes with it.
func mountFolders(state string) error {
	for _, mount := range []mounting{
		{target: "/", flags: syscall.MS_REC | syscall.MS_PRIVATE},
		// The kubelet's mounts have to be seen by containerd, and the other way around.
		{target: "/", flags: syscall.MS_REC | syscall.MS_SHARED},
		{source: "proc", target: "/proc", kind: "proc"},
		{source: "tmpfs", target: "/run", kind: "tmpfs", data: "mode=755"},
		{source: "tmpfs", target: "/var/log", kind: "tmpfs", data: "mode=755"},
	} {
		if err := mount.do(); err != nil {
			return err
		}
	}
	upper, work, kept := private+"/var-lib/upper", private+"/var-lib/work", private+"/state"
	for _, folder := range []string{upper, work, kept} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
	}
	if err := (mounting{source: state, target: kept, flags: syscall.MS_BIND}).do(); err != nil {
		return err
	}
	// Network plugins remember in /var/lib/cni what they gave to whom, and no option says otherwise.
	data := fmt.Sprintf("lowerdir=/var/lib,upperdir=%s,workdir=%s", upper, work)
	if err := (mounting{source: "overlay", target: "/var/lib", kind: "overlay", data: data}).do(); err != nil {
		return err
	}
	if !strings.HasPrefix(state, "/var/lib/") {
		return nil
	}
	return mounting{source: kept, target: state, flags: syscall.MS_BIND}.do()
}

type mounting struct {
	source, target, kind, data string
	flags                      uintptr
}

func (m mounting) do() error {
	if err := syscall.Mount(m.source, m.target, m.kind, m.flags, m.data); err != nil {
		return fmt.Errorf("mount %s: %w", m.target, err)
	}
	return nil
}

// mountCgroups shows our cgroups as if they were the machine's: one hierarchy (version 2), or one a controller.
func mountCgroups() error {
	controllers, err := ownCgroups()
	if err != nil {
		return err
	}
	isVersion2 := hasOneHierarchy()
	if err := syscall.Unmount("/sys/fs/cgroup", syscall.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount /sys/fs/cgroup: %w", err)
	}
	if isVersion2 {
		if err := (mounting{source: "cgroup2", target: "/sys/fs/cgroup", kind: "cgroup2"}).do(); err != nil {
			return err
		}
		return delegateCgroups()
	}
	if err := (mounting{source: "tmpfs", target: "/sys/fs/cgroup", kind: "tmpfs", data: "mode=755"}).do(); err != nil {
		return err
	}
	for names := range controllers {
		target, data := filepath.Join("/sys/fs/cgroup", strings.TrimPrefix(names, "name=")), names
		if strings.HasPrefix(names, "name=") {
			data = "none," + names
		}
		if err := os.Mkdir(target, 0o755); err != nil {
			return err
		}
		if err := (mounting{source: "cgroup", target: target, kind: "cgroup", data: data}).do(); err != nil {
			return err
		}
	}
	return nil
}

// delegateCgroups lets cgroups below ours have controllers, which version 2 allows only where no process is.
func delegateCgroups() error {
	own := "/sys/fs/cgroup/node"
	if err := os.Mkdir(own, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	processes, err := os.ReadFile("/sys/fs/cgroup/cgroup.procs")
	if err != nil {
		return err
	}
	for _, pid := range strings.Fields(string(processes)) {
		if err := os.WriteFile(filepath.Join(own, "cgroup.procs"), []byte(pid), 0); err != nil {
			return err
		}
	}
	available, err := os.ReadFile("/sys/fs/cgroup/cgroup.controllers")
	if err != nil {
		return err
	}
	wanted := "+" + strings.Join(strings.Fields(string(available)), " +")
	return os.WriteFile("/sys/fs/cgroup/cgroup.subtree_control", []byte(wanted), 0)
}

// fixKernelSettings shows the kubelet the settings that it would make, which are the whole machine's: what is as it
// should be, it leaves alone.
func fixKernelSettings() error {
	for name, value := range map[string]string{
		"vm/overcommit_memory":      "1",
		"vm/panic_on_oom":           "0",
		"kernel/panic":              "10",
		"kernel/panic_on_oops":      "1",
		"kernel/keys/root_maxkeys":  "1000000",
		"kernel/keys/root_maxbytes": "25000000",
	} {
		file := filepath.Join(private, strings.ReplaceAll(name, "/", "."))
		if err := os.WriteFile(file, []byte(value+"\n"), 0o644); err != nil {
			return err
		}
		if err := (mounting{source: file, target: filepath.Join("/proc/sys", name), flags: syscall.MS_BIND}).do(); err != nil {
			return err
		}
	}
	return nil
}

// makeNetwork gives the node an address, on a bridge that leads nowhere. Pods reach by it what runs beside them.
func makeNetwork(own string) error {
	loopback, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	attributes := netlink.NewLinkAttrs()
	attributes.Name = "br-node"
	bridge := &netlink.Bridge{LinkAttrs: attributes}
	if err := netlink.LinkAdd(bridge); err != nil {
		return fmt.Errorf("add a bridge: %w", err)
	}
	address, err := netlink.ParseAddr(own)
	if err != nil {
		return err
	}
	if err := netlink.AddrAdd(bridge, address); err != nil {
		return err
	}
	for _, link := range []netlink.Link{loopback, bridge} {
		if err := netlink.LinkSetUp(link); err != nil {
			return err
		}
	}
	// Addresses of services are nobody's; the proxy rewrites them, once a route says that they may be tried.
	everywhere := &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)}
	if err := netlink.RouteAdd(&netlink.Route{LinkIndex: bridge.Attrs().Index, Dst: everywhere}); err != nil {
		return err
	}
	return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0)
}
