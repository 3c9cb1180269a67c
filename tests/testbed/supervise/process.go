package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// spec says how to run one process.
type spec struct {
	Name string            `json:"name"`
	Argv []string          `json:"argv"`
	Env  map[string]string `json:"env"`
	// Log is appended to with what the process says on either stream.
	Log string `json:"log"`
	Cwd string `json:"cwd"`
	// User is the one to run as, for PostgreSQL refuses to run as root.
	User *user `json:"user"`
	// StopBy is the signal that asks the process to end (SIGTERM when empty); AbortBy the one that ends it when it
	// does not, or when we die ourselves (SIGKILL when empty).
	StopBy  string `json:"stopBy"`
	AbortBy string `json:"abortBy"`
}

type user struct {
	UID uint32 `json:"uid"`
	GID uint32 `json:"gid"`
}

type process struct {
	name          string
	stopBy, abort syscall.Signal
	command       *exec.Cmd
	ended         chan struct{}
	exit          string // set before ended is closed
}

// nursery holds the processes in the order of their (last) start.
type nursery struct {
	processes []*process
	changed   chan struct{} // holds a token when a process started or ended since the last look
}

func (n *nursery) touch() {
	select {
	case n.changed <- struct{}{}:
	default:
	}
}

// inherited are the only variables a child takes over: a developer's KUBECONFIG or PGHOST must not reach a test.
var inherited = []string{"PATH", "HOME", "TMPDIR", "LANG", "RUST_BACKTRACE", "SSL_CERT_FILE", "SSL_CERT_DIR"}

func (n *nursery) start(given spec) error {
	for i, known := range n.processes {
		if known.name != given.Name {
			continue
		}
		if known.running() {
			return fmt.Errorf("%s runs already", given.Name)
		}
		n.processes = append(n.processes[:i], n.processes[i+1:]...)
		break
	}
	started, err := launch(given, n.touch)
	if err != nil {
		return err
	}
	n.processes = append(n.processes, started)
	n.touch()
	return nil
}

func launch(given spec, ended func()) (*process, error) {
	if len(given.Argv) == 0 {
		return nil, fmt.Errorf("%s: no program given", given.Name)
	}
	stopBy, err := signalNamed(or(given.StopBy, "SIGTERM"))
	if err != nil {
		return nil, err
	}
	abort, err := signalNamed(or(given.AbortBy, "SIGKILL"))
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(given.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()

	command := exec.Command(given.Argv[0], given.Argv[1:]...)
	command.Stdout, command.Stderr = log, log
	command.Dir = given.Cwd
	for _, name := range inherited {
		if value, set := os.LookupEnv(name); set {
			command.Env = append(command.Env, name+"="+value)
		}
	}
	for name, value := range given.Env {
		command.Env = append(command.Env, name+"="+value)
	}
	// A group of its own: what the process starts in turn can be ended with it.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if given.User != nil {
		command.SysProcAttr.Credential = &syscall.Credential{Uid: given.User.UID, Gid: given.User.GID}
	}
	dieWithParent(command.SysProcAttr, abort)
	if err := command.Start(); err != nil {
		return nil, err
	}
	started := &process{name: given.Name, stopBy: stopBy, abort: abort, command: command, ended: make(chan struct{})}
	go func() {
		_ = command.Wait()
		// Now, while the number can mean no other group.
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
		started.exit = command.ProcessState.String()
		close(started.ended)
		ended()
	}()
	return started, nil
}

func (p *process) pid() int { return p.command.Process.Pid }

func (p *process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// stop asks, waits, aborts, and at last kills. A process held by SIGSTOP is woken, or it
// would not hear the question.
func (p *process) stop() {
	if !p.running() {
		return
	}
	_ = syscall.Kill(p.pid(), p.stopBy)
	_ = syscall.Kill(p.pid(), syscall.SIGCONT)
	if p.endedWithin(stopAnyway) {
		return
	}
	_ = syscall.Kill(p.pid(), p.abort)
	if p.endedWithin(stopAnyway) {
		return
	}
	_ = syscall.Kill(p.pid(), syscall.SIGKILL)
	<-p.ended
}

func (p *process) endedWithin(limit time.Duration) bool {
	select {
	case <-p.ended:
		return true
	case <-time.After(limit):
		return false
	}
}

// stopAll goes backwards: the API server's clients end before it does, and it before its store.
func (n *nursery) stopAll() {
	for i := len(n.processes) - 1; i >= 0; i-- {
		n.processes[i].stop()
	}
}

func (n *nursery) find(name string) (*process, error) {
	for _, process := range n.processes {
		if process.name == name {
			return process, nil
		}
	}
	return nil, fmt.Errorf("no process is called %s", name)
}

func (n *nursery) states() []state {
	states := make([]state, 0, len(n.processes))
	for _, process := range n.processes {
		known := state{Name: process.name, Pid: process.pid(), Running: process.running()}
		if !known.Running {
			known.Exit = process.exit
		}
		states = append(states, known)
	}
	return states
}

func signalNamed(name string) (syscall.Signal, error) {
	switch name {
	case "SIGTERM":
		return syscall.SIGTERM, nil
	case "SIGINT":
		return syscall.SIGINT, nil
	case "SIGQUIT":
		return syscall.SIGQUIT, nil
	case "SIGKILL":
		return syscall.SIGKILL, nil
	case "SIGSTOP":
		return syscall.SIGSTOP, nil
	case "SIGCONT":
		return syscall.SIGCONT, nil
	case "SIGHUP":
		return syscall.SIGHUP, nil
	}
	return 0, fmt.Errorf("unknown signal %q", name)
}

func or(given, otherwise string) string {
	if given == "" {
		return otherwise
	}
	return given
}
