package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// command is one line of standard input; exactly one field is set.
type command struct {
	Start  *spec          `json:"start,omitempty"`
	Stop   *stopCommand   `json:"stop,omitempty"`
	Signal *signalCommand `json:"signal,omitempty"`
	Status *struct{}      `json:"status,omitempty"`
	// Detach makes the end of standard input mean nothing; from then on only a signal ends us.
	Detach *struct{} `json:"detach,omitempty"`
}

type stopCommand struct {
	Name string `json:"name"`
}

type signalCommand struct {
	Name   string `json:"name"`
	Signal string `json:"signal"`
}

// answer is one line of standard output, one for each command, in order.
type answer struct {
	Error     string  `json:"error,omitempty"`
	Processes []state `json:"processes,omitempty"`
}

// state is what is known of one process. Exit is its last word once it does not run any more.
type state struct {
	Name    string `json:"name"`
	Pid     int    `json:"pid"`
	Running bool   `json:"running"`
	Exit    string `json:"exit,omitempty"`
}

// stopAnyway bounds the time for one process to end by itself before it is killed.
const stopAnyway = 5 * time.Second

func run(directory string) error {
	// Children die with the thread that started them (pdeathsig): start all from the one that lives as long as we do.
	runtime.LockOSThread()
	// Ctrl-C in a terminal is for the holder of the pipe; we learn of it by the pipe's end, and are not in the middle
	// of an orderly stop when the terminal's signal arrives.
	_, _ = syscall.Setsid()
	// The holder may be gone when we answer: without this, that answer would kill us before we stopped anything.
	signal.Ignore(syscall.SIGPIPE, syscall.SIGHUP)
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)

	lock, err := hold(directory)
	if err != nil {
		return err
	}
	lines := make(chan []byte)
	go read(os.Stdin, lines)

	nursery := &nursery{changed: make(chan struct{}, 1)}
	serve(nursery, directory, lines, signals)
	nursery.stopAll()
	if os.Getenv("UNDERSTUDY_KEEP_LOGS") == "" {
		err = os.RemoveAll(directory)
	}
	runtime.KeepAlive(lock)
	return err
}

// serve obeys until standard input ends or a signal says so. What runs is also told in a file of the directory, for
// those who come when the pipe is closed.
func serve(nursery *nursery, directory string, lines <-chan []byte, signals <-chan os.Signal) {
	detached := false
	for {
		select {
		case <-signals:
			return
		case <-nursery.changed:
			tell(nursery.states(), filepath.Join(directory, "processes.json"))
		case line, open := <-lines:
			if !open {
				if !detached {
					return
				}
				lines = nil
				continue
			}
			var given command
			err := json.Unmarshal(line, &given)
			if err == nil && given.Detach != nil {
				detached = true
			} else if err == nil {
				err = nursery.obey(given)
			}
			reply := answer{Processes: nursery.states()}
			if err != nil {
				reply.Error = err.Error()
			}
			text, _ := json.Marshal(reply)
			_, _ = os.Stdout.Write(append(text, '\n'))
		}
	}
}

func tell(states []state, path string) {
	text, _ := json.Marshal(states)
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		fmt.Fprintln(os.Stderr, "supervise: "+err.Error())
		return
	}
	_ = os.Rename(path+".new", path)
}

func read(from io.Reader, lines chan<- []byte) {
	defer close(lines)
	reader := bufio.NewReader(from)
	for {
		line, err := reader.ReadBytes('\n')
		if err != nil {
			return
		}
		lines <- line
	}
}

func (n *nursery) obey(given command) error {
	switch {
	case given.Start != nil:
		return n.start(*given.Start)
	case given.Stop != nil:
		process, err := n.find(given.Stop.Name)
		if err != nil {
			return err
		}
		process.stop()
		return nil
	case given.Signal != nil:
		process, err := n.find(given.Signal.Name)
		if err != nil {
			return err
		}
		number, err := signalNamed(given.Signal.Signal)
		if err != nil {
			return err
		}
		if !process.running() {
			return fmt.Errorf("%s does not run: %s", given.Signal.Name, process.exit)
		}
		if err := syscall.Kill(process.pid(), number); err != nil {
			return err
		}
		if number == syscall.SIGSTOP {
			return awaitHeld(process.pid())
		}
		return nil
	case given.Status != nil:
		return nil
	}
	return errors.New("no command in this line")
}
