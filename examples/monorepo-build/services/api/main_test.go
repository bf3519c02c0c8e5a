package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/monorepo/shared/utils"
)

func noEnv(string) (string, bool) { return "", false }

func TestServesFromItsDataFileUntilStopped(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data.json")
	const ada = `{"users":[{"id":"usr_1","name":"Ada","email":"ada@example.com"}]}`
	if err := os.WriteFile(data, []byte(ada), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	stdout, toStdout := io.Pipe()
	var stderr bytes.Buffer
	ended := make(chan error)
	go func() { ended <- run(ctx, []string{"-addr", "127.0.0.1:0", "-data", data}, noEnv, toStdout, &stderr) }()

	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	url := strings.TrimPrefix(strings.TrimSpace(line), "listening on ")
	response, err := http.Get(url + "/users/usr_1")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("status %d", response.StatusCode)
	}
	stop()
	if err := <-ended; err != nil || !strings.Contains(stderr.String(), "msg=stopped") {
		t.Errorf("ended with %v:\n%s", err, stderr.String())
	}
}

func TestRequestsUnderWayMayEnd(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	entered, release := make(chan struct{}), make(chan struct{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-release
		w.WriteHeader(http.StatusTeapot)
	})
	ctx, stop := context.WithCancel(context.Background())
	ended, status := make(chan error), make(chan int)
	go func() { ended <- serve(ctx, listener, handler, time.Minute, utils.NewLogger(io.Discard, utils.Info)) }()
	go func() {
		response, err := http.Get("http://" + listener.Addr().String())
		if err != nil {
			t.Error(err)
			status <- 0
			return
		}
		response.Body.Close()
		status <- response.StatusCode
	}()
	<-entered
	stop()
	close(release)
	if got := <-status; got != http.StatusTeapot {
		t.Errorf("status %d", got)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestBadSettings(t *testing.T) {
	for _, test := range []struct {
		args []string
		env  string // of every variable
		want string
	}{
		{[]string{"-h"}, "", flag.ErrHelp.Error()},
		{[]string{"extra"}, "", `unexpected argument "extra"`},
		{[]string{"-grace", "soon"}, "", "invalid value"},
		{nil, "?", "API_LOG_LEVEL"},
		{[]string{"-data", "no-such-file"}, "", "no-such-file"},
		{[]string{"-addr", "127.0.0.1:none"}, "", "none"},
	} {
		lookup := func(string) (string, bool) { return test.env, test.env != "" }
		err := run(context.Background(), test.args, lookup, io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: error %v, want %q", test.args, err, test.want)
		}
	}
	if _, err := readSettings([]string{"-h"}, noEnv, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-h: %v", err)
	}
}
