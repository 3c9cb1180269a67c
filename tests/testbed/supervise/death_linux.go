package main

import "syscall"

// dieWithParent ends the child when we are killed and cannot stop it ourselves.
func dieWithParent(attributes *syscall.SysProcAttr, by syscall.Signal) {
	attributes.Pdeathsig = by
}
