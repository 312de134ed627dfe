package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const cgroupRoot = "/sys/fs/cgroup"

// hasOneHierarchy tells version 2 of cgroups from version 1, which has one a controller.
func hasOneHierarchy() bool {
	_, err := os.Stat(filepath.Join(cgroupRoot, "cgroup.controllers"))
	return err == nil
}

// enterCgroups makes cgroups and puts this process into them: below its own, so that what limits and counts it limits and
// counts the node; with version 2 below the root, since only there others may have processes beside them. Which they are
// is written into a file first, one a line, for removeCgroups.
func enterCgroups(file string) error {
	name := fmt.Sprintf("payflow-%d", os.Getpid())
	parents := []string{cgroupRoot}
	if !hasOneHierarchy() {
		controllers, err := ownCgroups()
		if err != nil {
			return err
		}
		parents = nil
		for names, own := range controllers {
			mounted := filepath.Join(cgroupRoot, strings.TrimPrefix(names, "name="))
			if _, err := os.Stat(mounted); err == nil {
				parents = append(parents, filepath.Join(mounted, own))
			}
		}
	}
	var folders []string
	for _, parent := range parents {
		folders = append(folders, filepath.Join(parent, name))
	}
	if err := os.WriteFile(file, []byte(strings.Join(folders, "\n")), 0o600); err != nil {
		return err
	}
	for _, folder := range folders {
		if err := os.Mkdir(folder, 0o755); err != nil {
			return err
		}
		if err := inheritProcessors(folder); err != nil {
			return err
		}
		if err := join(folder); err != nil {
			return err
		}
	}
	return nil
}

// ownCgroups says for each hierarchy of version 1 in which cgroup this process is.
func ownCgroups() (map[string]string, error) {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	own := map[string]string{}
	for _, line := range strings.Fields(string(text)) {
		if parts := strings.SplitN(line, ":", 3); len(parts) == 3 && parts[1] != "" {
			own[parts[1]] = parts[2]
		}
	}
	return own, nil
}

// inheritProcessors is needed in version 1, where nobody may enter a new cgroup before it is said which processors it has.
func inheritProcessors(folder string) error {
	for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
		inherited, err := os.ReadFile(filepath.Join(filepath.Dir(folder), name))
		if errors.Is(err, os.ErrNotExist) || hasOneHierarchy() {
			continue
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, name), inherited, 0); err != nil {
			return err
		}
	}
	return nil
}

func join(folder string) error {
	return os.WriteFile(filepath.Join(folder, "cgroup.procs"), []byte(strconv.Itoa(os.Getpid())), 0)
}

// removeCgroups removes what enterCgroups made and what was made below. This process leaves them; whoever else is in there
// is killed. The kernel takes its time with the dead, for which it waits.
func removeCgroups(file string) error {
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var left []string
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		left = nil
		for _, folder := range strings.Fields(string(text)) {
			if !isRemoved(folder, filepath.Dir(folder)) {
				left = append(left, folder)
			}
		}
		if len(left) == 0 {
			return os.Remove(file)
		}
	}
	return fmt.Errorf("these cgroups stay: %s", strings.Join(left, ", "))
}

func isRemoved(folder, refuge string) bool {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return errors.Is(err, os.ErrNotExist)
	}
	for _, entry := range entries {
		if entry.IsDir() {
			isRemoved(filepath.Join(folder, entry.Name()), refuge)
		}
	}
	processes, _ := os.ReadFile(filepath.Join(folder, "cgroup.procs"))
	for _, line := range strings.Fields(string(processes)) {
		switch pid, _ := strconv.Atoi(line); pid {
		case 0:
		case os.Getpid():
			_ = join(refuge)
		default:
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	return syscall.Rmdir(folder) == nil
}

func runRemoveCgroups() error {
	return removeCgroups(os.Args[1])
}
