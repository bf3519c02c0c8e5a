package utils

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestLoggerWritesPairs(t *testing.T) {
	var out bytes.Buffer
	log := NewLogger(&out, Info)
	log.now = func() time.Time { return time.Unix(0, 0) }
	log.Debug("left out")
	log.With("service", "api").Warn("two words", "path", "/a b", "empty", "", "n", 3, "odd")
	const want = `time=1970-01-01T00:00:00Z level=warn msg="two words" service=api path="/a b" empty="" n=3 odd=missing` + "\n"
	if out.String() != want {
		t.Errorf("got  %swant %s", out.String(), want)
	}
}

func TestLevelText(t *testing.T) {
	for _, level := range []Level{Debug, Info, Warn, Error} {
		if got, err := ParseLevel(strings.ToUpper(level.String())); err != nil || got != level {
			t.Errorf("ParseLevel(%s) = %v, %v", level, got, err)
		}
	}
	if _, err := ParseLevel("loud"); err == nil {
		t.Error("an unknown level was read")
	}
}

func TestEnvReportsAllMistakesAtOnce(t *testing.T) {
	variables := map[string]string{"APP_N": "seven", "APP_WAIT": "2s", "APP_LEVEL": "loud", "APP_EMPTY": ""}
	env := NewEnv("APP_", func(name string) (string, bool) {
		value, ok := variables[name]
		return value, ok
	})
	if got := env.Duration("WAIT", time.Minute); got != 2*time.Second {
		t.Errorf("WAIT = %v", got)
	}
	if got := env.String("EMPTY", "fallback"); got != "fallback" {
		t.Errorf("EMPTY = %q", got)
	}
	if err := env.Err(); err != nil {
		t.Errorf("early error: %v", err)
	}
	if n, level := env.Int("N", 7), env.Level("LEVEL", Warn); n != 7 || level != Warn {
		t.Errorf("N, LEVEL = %v, %v", n, level)
	}
	err := env.Err()
	if err == nil || !strings.Contains(err.Error(), "APP_N: ") || !strings.Contains(err.Error(), "APP_LEVEL: ") {
		t.Errorf("Err = %v", err)
	}
}

func TestParseFlagsWritesOnlyHelp(t *testing.T) {
	for args, want := range map[string]string{
		"-n 7":    "",
		"-n many": "",
		"-h":      "Flags of app:\n  -n int\n    \thow many\n",
	} {
		flags := flag.NewFlagSet("app", flag.ContinueOnError)
		n := flags.Int("n", 0, "how many")
		var help bytes.Buffer
		err := ParseFlags(flags, strings.Fields(args), &help)
		if help.String() != want || (err == nil) != (*n == 7) || errors.Is(err, flag.ErrHelp) != (want != "") {
			t.Errorf("%s: n = %d, error %v, help %q", args, *n, err, help.String())
		}
	}
}

func TestIDsAreValidAndSortByTime(t *testing.T) {
	now := time.Now()
	first, second := newIDAt("usr", now), newIDAt("usr", now.Add(time.Millisecond))
	if first >= second {
		t.Errorf("%s does not sort before %s", first, second)
	}
	for id, want := range map[string]bool{
		first: true, NewID("usr"): true, "usr_": false, "ord_" + first[4:]: false,
		first[:len(first)-1]: false, first[:len(first)-1] + "!": false,
	} {
		if ValidID("usr", id) != want {
			t.Errorf("ValidID(%q) = %v", id, !want)
		}
	}
}

func TestBackoffDelayDoublesUpToMax(t *testing.T) {
	b := Backoff{Base: time.Second, Max: 5 * time.Second}
	for attempt, want := range map[int]time.Duration{1: 1, 2: 2, 3: 4, 4: 5, 1000: 5} {
		if got := b.Delay(attempt); got != want*time.Second {
			t.Errorf("Delay(%d) = %v", attempt, got)
		}
	}
}

func TestRetry(t *testing.T) {
	failure := errors.New("failure")
	tests := map[string]struct {
		results []error // of the calls to come
		want    error
		calls   int
	}{
		"first try":  {[]error{nil}, nil, 1},
		"second try": {[]error{failure, nil}, nil, 2},
		"used up":    {[]error{failure, failure, failure}, failure, 3},
		"for good":   {[]error{failure, Permanent(failure)}, failure, 2},
	}
	for name, test := range tests {
		calls := 0
		err := Backoff{Attempts: 3}.Retry(context.Background(), func(attempt int) error {
			calls++
			return test.results[attempt-1]
		})
		if err != test.want || calls != test.calls {
			t.Errorf("%s: %v after %d calls, want %v after %d", name, err, calls, test.want, test.calls)
		}
	}
}

func TestRetryStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	calls := 0
	err := Backoff{Attempts: 3, Base: time.Hour, Max: time.Hour}.Retry(ctx, func(int) error {
		calls++
		cancel()
		return errors.New("failure")
	})
	if err == nil || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
}

func TestGroupKeepsItsLimit(t *testing.T) {
	const limit = 3
	var running, most atomic.Int32
	group := NewGroup(limit)
	for i := 0; i < 20; i++ {
		group.Go(func() error {
			n := running.Add(1)
			for seen := most.Load(); n > seen && !most.CompareAndSwap(seen, n); seen = most.Load() {
			}
			time.Sleep(time.Millisecond)
			running.Add(-1)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	if got := most.Load(); got > limit {
		t.Errorf("%d ran at a time", got)
	}
}

func TestGroupReturnsTheFirstError(t *testing.T) {
	group := NewGroup(1)
	group.Go(func() error { panic("first") })
	group.Go(func() error { return errors.New("second") })
	if err := group.Wait(); err == nil || err.Error() != "panic: first" {
		t.Errorf("Wait = %v", err)
	}
}

func TestTableAlignsItsColumns(t *testing.T) {
	table := NewTable("NAME", "N>", "NOTE")
	table.Row("Zoë", "7")
	table.Row("Al", "1234", "last")
	var out bytes.Buffer
	if _, err := table.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	const want = "NAME     N  NOTE\nZoë      7\nAl    1234  last\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}
