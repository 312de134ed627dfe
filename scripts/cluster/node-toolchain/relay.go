package main

import (
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/vishvananda/netns"
)

// runRelay passes TCP connections from one network to another, which have no route to each other.
//
//	relay --listen ADDRESS --to ADDRESS (--into FILE | --out-of FILE)
//
// With --into it listens on the machine and connects in the network of the process whose number is in the file, with
// --out-of the other way around.
func runRelay() error {
	flags := flag.NewFlagSet("relay", flag.ExitOnError)
	listen := flags.String("listen", "", "where connections come from")
	to := flags.String("to", "", "where they go")
	into := flags.String("into", "", "names a process in whose network they end")
	outOf := flags.String("out-of", "", "names a process in whose network they begin")
	_ = flags.Parse(os.Args[1:])
	var listener net.Listener
	err := inNetwork(*outOf, func() (err error) {
		listener, err = net.Listen("tcp", *listen)
		return err
	})
	if err != nil {
		return err
	}
	for {
		from, err := listener.Accept()
		if err != nil {
			return err
		}
		go pass(from, *into, *to)
	}
}

// inNetwork runs a step in the network of the process that a file names, or in our own where it is empty. It does so on a
// thread that ends with it, so that no other work ever runs in that network. The file is read each time, since the process
// may have been started anew.
func inNetwork(file string, step func() error) error {
	if file == "" {
		return step()
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		if err := enterNetwork(file); err != nil {
			done <- err
			return
		}
		done <- step()
	}()
	return <-done
}

func enterNetwork(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil {
		return err
	}
	network, err := netns.GetFromPid(pid)
	if err != nil {
		return err
	}
	defer network.Close()
	return netns.Set(network)
}

func pass(from net.Conn, network, address string) {
	defer from.Close()
	var to net.Conn
	err := inNetwork(network, func() (err error) {
		to, err = net.DialTimeout("tcp", address, 10*time.Second)
		return err
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "relay:", err)
		return
	}
	defer to.Close()
	done := make(chan struct{}, 2)
	for _, pair := range [][2]net.Conn{{from, to}, {to, from}} {
		go func() {
			_, _ = io.Copy(pair[1], pair[0])
			// The other direction may go on: a client that has said everything still reads.
			if half, ok := pair[1].(*net.TCPConn); ok {
				_ = half.CloseWrite()
			}
			done <- struct{}{}
		}()
	}
	<-done
	<-done
}
