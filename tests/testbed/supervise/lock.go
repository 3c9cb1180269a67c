package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const lockName = "supervise.lock"

// hold takes the directory's lock and writes our process id into it. Whoever sees the file sees it locked: it is
// locked under another name first. The lock ends with the process, so it tells the living from the dead where a
// process id, which the system uses again, would not.
func hold(directory string) (*os.File, error) {
	path := filepath.Join(directory, lockName)
	file, err := os.OpenFile(path+".new", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, fmt.Errorf("another supervise runs for %s: %w", directory, err)
	}
	if _, err := file.WriteString(strconv.Itoa(os.Getpid()) + "\n"); err != nil {
		return nil, err
	}
	return file, os.Rename(path+".new", path)
}

// stop ends the supervise that holds the directory's lock, and returns when the lock is free. What a killed
// supervise left lying is removed.
func stop(directory string) error {
	path := filepath.Join(directory, lockName)
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
		return os.RemoveAll(directory)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("process %d: %w", pid, err)
	}
	return syscall.Flock(int(file.Fd()), syscall.LOCK_EX)
}
