// supervise starts the processes of a testbed and ends them all when nobody holds it any more.
//
// A test binary has no last hook, a child in a static outlives it, and a panic or SIGKILL skips every destructor. So
// the test binary holds one pipe, the standard input of this program; when it closes, for whatever reason, everything
// started here is stopped in reverse order and the bed's directory is removed.
//
//	supervise run DIRECTORY    obey the commands on standard input (protocol.go), one JSON object a line
//	supervise stop DIRECTORY   end the supervise that runs for DIRECTORY and wait until it is gone
//
// It needs nothing but the standard library and builds in a second.
package main

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) != 3 {
		fail("usage: supervise run|stop DIRECTORY")
	}
	var err error
	switch verb, directory := os.Args[1], os.Args[2]; verb {
	case "run":
		err = run(directory)
	case "stop":
		err = stop(directory)
	default:
		err = fmt.Errorf("unknown verb %q", verb)
	}
	if err != nil {
		fail(err.Error())
	}
}

func fail(message string) {
	fmt.Fprintln(os.Stderr, "supervise: "+message)
	os.Exit(1)
}
