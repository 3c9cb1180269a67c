//go:build !linux

package main

import "syscall"

// dieWithParent has no counterpart here: a supervise killed by SIGKILL leaves its children to `testbed down`.
func dieWithParent(*syscall.SysProcAttr, syscall.Signal) {}
