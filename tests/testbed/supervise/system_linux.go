package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// dieWithParent ends the child when we are killed and cannot stop it ourselves.
func dieWithParent(attributes *syscall.SysProcAttr, by syscall.Signal) {
	attributes.Pdeathsig = by
}

// awaitHeld returns when every thread of a process has obeyed SIGSTOP. The signal is only sent when kill returns: a
// thread on another processor goes on for a moment, and a test that counts on the standstill would be wrong.
func awaitHeld(pid int) error {
	for end := time.Now().Add(stopAnyway); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if isHeld(pid) {
			return nil
		}
	}
	return fmt.Errorf("process %d goes on in spite of SIGSTOP", pid)
}

func isHeld(pid int) bool {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(threads) == 0 {
		return false
	}
	for _, thread := range threads {
		text, err := os.ReadFile(thread)
		if err != nil {
			continue // the thread is gone
		}
		// The state follows the name, which stands in parentheses and may hold any character.
		after := text[bytes.LastIndexByte(text, ')')+1:]
		if !bytes.HasPrefix(after, []byte(" T")) {
			return false
		}
	}
	return true
}
