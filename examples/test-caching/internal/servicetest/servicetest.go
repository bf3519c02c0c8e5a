// Package servicetest gives tests a service to talk to: the one at SERVICE_URL, or one that it starts.
package servicetest

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/test-caching/client"
)

// Main runs the tests of a package against a service of their own, whose database is called name, and returns their exit code.
func Main(m *testing.M, name string, service **client.Client) int {
	address := os.Getenv("SERVICE_URL")
	if address == "" {
		started, stop, err := start(name)
		if err != nil {
			fmt.Fprintln(os.Stderr, "the service does not start:", err)
			return 1
		}
		defer stop()
		address = started
	}
	*service = client.New(address)
	return m.Run()
}

// start starts the service and waits until it says where it listens.
func start(name string) (address string, stop func(), err error) {
	dir, err := os.MkdirTemp("", name)
	if err != nil {
		return "", nil, err
	}
	// Where `go test` starts tests, in their package, it lies beside that.
	home := os.Getenv("SERVICE_DIR")
	if home == "" {
		home = "../service"
	}
	server := exec.Command("python3", filepath.Join(home, "server.py"), filepath.Join(dir, name+".db"))
	server.Stderr = os.Stderr
	input, err := server.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	output, err := server.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := server.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		input.Close() // which ends it
		io.Copy(io.Discard, output)
		server.Wait()
		os.RemoveAll(dir)
	}
	line, err := bufio.NewReader(output).ReadString('\n')
	address = strings.TrimSpace(strings.TrimPrefix(line, "listening on "))
	if err != nil || address == line {
		stop()
		return "", nil, fmt.Errorf("it said %q", line)
	}
	return address, stop, nil
}

var count atomic.Int64

// Unique makes a name that nobody else uses, so that tests can share a service.
func Unique(t *testing.T) string {
	return fmt.Sprintf("%s-%d-%d", t.Name(), time.Now().UnixNano(), count.Add(1))
}
