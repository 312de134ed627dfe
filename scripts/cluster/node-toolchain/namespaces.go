package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
)

// runInNamespaces runs a command as the only child of an init in mount, network, process, IPC, host name and cgroup
// namespaces of their own. Everything that is started in there ends with that command, and with this process.
//
//	namespaces --cgroups FILE --pid-file FILE --state FOLDER --address ADDRESS -- COMMAND...
//
// Afterwards nothing is left of them. Only when this process is killed, its cgroups stay, until remove-cgroups FILE.
func runInNamespaces() error {
	flags := flag.NewFlagSet("namespaces", flag.ExitOnError)
	cgroups := flags.String("cgroups", "", "gets the folders of our cgroups, for remove-cgroups")
	pidFile := flags.String("pid-file", "", "gets the number of the init")
	state := flags.String("state", "", "a folder that is /run/payflow/state inside")
	address := flags.String("address", "", "of the machine inside, with the length of its network's prefix")
	_ = flags.Parse(os.Args[1:])
	if err := enterCgroups(*cgroups); err != nil {
		return errors.Join(err, removeCgroups(*cgroups))
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	init, err := os.StartProcess(self, append([]string{self, "init", *state, *address}, flags.Args()...), &os.ProcAttr{
		Env:   os.Environ(),
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
		Sys: &syscall.SysProcAttr{
			Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC |
				syscall.CLONE_NEWUTS | syscall.CLONE_NEWCGROUP,
			Pdeathsig: syscall.SIGKILL,
			Setpgid:   true,
		},
	})
	if err != nil {
		return errors.Join(fmt.Errorf("no namespaces of our own: %w", err), removeCgroups(*cgroups))
	}
	forward(func(signal os.Signal) { _ = init.Signal(signal) })
	writeErr := os.WriteFile(*pidFile, []byte(strconv.Itoa(init.Pid)), 0o600)
	if writeErr != nil {
		_ = init.Kill()
	}
	ended, err := init.Wait()
	if err := errors.Join(err, writeErr, removeCgroups(*cgroups)); err != nil {
		return err
	}
	_ = os.Remove(*pidFile)
	if code := ended.ExitCode(); code > 0 {
		os.Exit(code)
	}
	return nil
}

func forward(to func(os.Signal)) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	go func() {
		for range signals {
			to(syscall.SIGTERM)
		}
	}()
}

// runAsInit is the first process of the namespaces: it furnishes them, starts the command, passes signals on to it,
// collects whoever loses a parent, and ends with the command, upon which the kernel ends all others.
//
//	init STATE ADDRESS COMMAND...
func runAsInit() error {
	state, address, command := os.Args[1], os.Args[2], os.Args[3:]
	for _, step := range []func() error{
		func() error { return mountFolders(state) },
		mountCgroups,
		fixKernelSettings,
		func() error { return makeNetwork(address) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	if err := syscall.Sethostname([]byte("node1")); err != nil {
		return err
	}
	child, err := syscall.ForkExec(command[0], command, &syscall.ProcAttr{
		Env:   os.Environ(),
		Files: []uintptr{0, 1, 2},
		Sys:   &syscall.SysProcAttr{Setpgid: true},
	})
	if err != nil {
		return fmt.Errorf("%s: %w", command[0], err)
	}
	forward(func(signal os.Signal) { _ = syscall.Kill(child, syscall.SIGTERM) })
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		if err != nil && err != syscall.EINTR {
			return err
		}
		if pid == child && (status.Exited() || status.Signaled()) {
			if status.Signaled() {
				os.Exit(128 + int(status.Signal()))
			}
			os.Exit(status.ExitStatus())
		}
	}
}
