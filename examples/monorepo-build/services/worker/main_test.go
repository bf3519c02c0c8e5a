package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func noEnv(string) (string, bool) { return "", false }

func TestJobsInOutcomesOut(t *testing.T) {
	jobs := filepath.Join("testdata", "jobs.jsonl")
	want, err := os.ReadFile(filepath.Join("testdata", "outcomes.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	piped, err := os.ReadFile(jobs)
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range []string{jobs, "-"} {
		var stdout, stderr bytes.Buffer
		std := streams{bytes.NewReader(piped), &stdout, &stderr}
		// One worker, so that the outcomes come in the order of the jobs.
		if err := run(context.Background(), []string{"-workers", "1", "-in", in}, noEnv, std); err != nil {
			t.Errorf("-in %s: %v", in, err)
		}
		if stdout.String() != string(want) {
			t.Errorf("-in %s: got\n%swant\n%s", in, stdout.String(), want)
		}
		if !strings.Contains(stderr.String(), "invoice      1       1        0") {
			t.Errorf("-in %s: summary is\n%s", in, stderr.String())
		}
	}
}

func TestSummaryForPrograms(t *testing.T) {
	var stderr bytes.Buffer
	std := streams{strings.NewReader(`{"kind":"bake"}`), io.Discard, &stderr}
	if err := run(context.Background(), []string{"-summary", "json"}, errorLevelOnly, std); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(stderr.String(), `[{"kind":"bake","done":0,"failed":1,"retries":0,`) {
		t.Errorf("summary is %s", stderr.String())
	}
}

func errorLevelOnly(name string) (string, bool) {
	return "error", name == "WORKER_LOG_LEVEL"
}

func TestBadSettings(t *testing.T) {
	for _, test := range []struct {
		args string
		want string
	}{
		{"-h", flag.ErrHelp.Error()},
		{"extra", `unexpected argument "extra"`},
		{"-workers 0", "-workers must be above zero"},
		{"-attempts 0", "-attempts must be above zero"},
		{"-summary xml", "want table, json or none"},
		{"-in no-such-file", "no-such-file"},
		{"-api localhost:80", "is not an http URL"},
	} {
		std := streams{strings.NewReader(""), io.Discard, io.Discard}
		err := run(context.Background(), strings.Fields(test.args), noEnv, std)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q", test.args, err, test.want)
		}
	}
	bad := func(string) (string, bool) { return "?", true }
	if _, err := readSettings(nil, bad, io.Discard); err == nil || errors.Is(err, flag.ErrHelp) {
		t.Errorf("bad environment: %v", err)
	}
}
