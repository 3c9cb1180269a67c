//go:build !linux

package main

import "syscall"

// dieWithParent has no counterpart here: a supervise killed by SIGKILL leaves its children to whoever looks for them.
func dieWithParent(*syscall.SysProcAttr, syscall.Signal) {}

// awaitHeld cannot tell here, and trusts the signal.
func awaitHeld(int) error { return nil }
