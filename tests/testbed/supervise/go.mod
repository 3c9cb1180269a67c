module understudy.dev/testbed/supervise

go 1.26.0
